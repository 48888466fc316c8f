// All rules, in one list; load applies each to the written tree. A new capability adds its rules here.
import {
  capturedNames,
  fittingKeys,
  knownPlugins,
  knownUpstreams,
  reachableRoutes,
  soundCors,
  soundHeaderEdits,
  strippablePrefix,
  uniqueRouteNames,
} from './rules/routes.ts'
import { distinctCertificates, soundCertificateGuards, usedClientOptions } from './rules/certificates.ts'
import { distinctKeys, soundKeyGuards } from './rules/guards.ts'
import { soundLimits } from './rules/limits.ts'
import { distinctUsers, soundBasicGuards } from './rules/passwords.ts'
import { distinctSubjects, soundJwtGuards } from './rules/jwt.ts'
import type { Rule } from './rules/rule.ts'
import { soundSignatureGuards } from './rules/signatures.ts'
import { distinctListeners, distinctServerNames, guardedAdmin } from './rules/server.ts'
import { soundUpstreamSigning } from './rules/upstream-signing.ts'
import { distinctPeers, soundHealth, usedTls, weightedPeers } from './rules/upstreams.ts'

export const rules: readonly Rule[] = [
  distinctListeners,
  distinctServerNames,
  guardedAdmin,
  distinctPeers,
  weightedPeers,
  usedTls,
  soundHealth,
  soundUpstreamSigning,
  uniqueRouteNames,
  knownUpstreams,
  knownPlugins,
  reachableRoutes,
  fittingKeys,
  capturedNames,
  strippablePrefix,
  soundCors,
  soundHeaderEdits,
  distinctKeys,
  soundKeyGuards,
  distinctUsers,
  soundBasicGuards,
  soundLimits,
  soundSignatureGuards,
  distinctSubjects,
  soundJwtGuards,
  usedClientOptions,
  distinctCertificates,
  soundCertificateGuards,
]
