// Configuration file -> validated configuration and plan, or every error that is in it. Called by commands and, on
// reload, by control. Reads files, and nothing else of the world: no name is resolved, no port is opened.
import { dirname, resolve } from 'node:path'
import { compile } from './compile.ts'
import { parseConfigText } from './document.ts'
import type { Environment } from './environment.ts'
import { readConfigFile } from './files.ts'
import { loadNamedFiles } from './named-files.ts'
import { child, deepest, describe, itemsOf, secretsIn, type Node, type ScalarNode } from './nodes.ts'
import type { Plan, RoutePlan } from './plan.ts'
import { loadPlugins } from './plugins/load.ts'
import { trailOf, type ConfigError, type Problems } from './problems.ts'
import { rules } from './rules.ts'
import { soundKeys } from './rules/signing-keys.ts'
import { soundJwtKeys } from './rules/jwt.ts'
import { soundSigners, workingSigners } from './rules/upstream-signing.ts'
import { configShape, isIgnoredRootKey, type Config } from './schema.ts'
import { readSecretFiles } from './secret-files.ts'
import { validate } from './validate.ts'

export { defaultFiles, findConfigFile } from './files.ts'
export type { Environment } from './environment.ts'
export { ConfigErrors, formatError, type ConfigError } from './problems.ts'

export interface LoadedConfig {
  readonly config: Config
  readonly plan: Plan
  /** What the operator should know although it stops nothing. */
  readonly warnings: readonly ConfigError[]
}

/** Compiles a route as a worker will; throws an Error that says what is wrong. Config knows no matcher, so commands give it. */
export type RouteCheck = (route: RoutePlan, index: number) => void

/** Throws ConfigErrors with all errors; no other error is thrown for anything that a file can hold. */
export function loadConfig(
  file: string,
  environment: Environment = process.env,
  checkRoute?: RouteCheck,
): LoadedConfig {
  return readConfig(readConfigFile(file), file, environment, checkRoute)
}

/** Of a text; `file` is what errors call it, and its folder is where relative names start. */
export function readConfig(
  text: string,
  file: string,
  environment: Environment,
  checkRoute?: RouteCheck,
): LoadedConfig {
  const { root: written, problems, position } = parseConfigText(text, file, environment)
  if (written?.kind !== 'map') {
    if (!problems.any) {
      const found = written ? describe(written) : 'an empty file'
      problems.add(written?.offset ?? 0, null, `found ${found}, expected a mapping with listen, upstreams and routes`)
    }
    problems.throwIfAny()
    throw new TypeError('a document without root has a problem')
  }
  const folder = dirname(file)
  const { root, files: secretFiles } = readSecretFiles(configShape, written, folder, problems)
  const config = validate(configShape, root, problems, isIgnoredRootKey)
  for (const rule of rules) rule(root, problems)
  const files = loadNamedFiles(root, folder, problems)
  soundKeys(root, folder, files, problems)
  soundSigners(root, folder, files, problems)
  soundJwtKeys(root, files, name => resolve(folder, name), problems)
  problems.throwIfAny()
  const routes = itemsOf(child(root, 'routes'))
  const sourceOf = (index: number): string => {
    const { line, col } = position(routes[index]!.offset)
    return `${file}:${line}:${col}`
  }
  const plugins = loadPlugins(config.plugins, root, folder, problems)
  const variableAt = (keys: readonly (string | number)[]): string | null => {
    const node = deepest(root, keys)
    const name = node.kind === 'scalar' ? /^\$\{(\w+)\}$/.exec(node.from ?? '')?.[1] : undefined
    return name !== undefined && environment[name] === (node as ScalarNode).value ? name : null
  }
  const plan = compile(config, { folder, files, sourceFiles: secretFiles, plugins, sourceOf, variableAt })
  workingSigners(plan, root, problems)
  problems.throwIfAny()
  if (checkRoute) checkRoutes(plan, routes, checkRoute, problems)
  return { config, plan, warnings: problems.warnings }
}

function checkRoutes(plan: Plan, nodes: readonly Node[], checkRoute: RouteCheck, problems: Problems): void {
  for (const [index, route] of plan.routes.entries()) {
    try {
      checkRoute(route, index)
    } catch (error) {
      const node = nodes[index]!
      const from = secretsIn(node)
      const reason = (error as Error).message.replace(`${route.source}: `, '')
      const message = from === null ? reason : `does not compile, with values from ${from}`
      problems.add(node.offset, trailOf('routes', index), message)
    }
  }
  problems.throwIfAny()
}
