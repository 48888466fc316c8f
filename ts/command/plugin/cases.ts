// A case of the file as the request and the reply of a trial.
import type { Case } from '../../config/plugins/cases.ts'
import type { HeaderPair } from '../../config/plan.ts'
import type { TrialReply, TrialRequest } from '../../gateway/trial/client.ts'

export const requestOf = ({ request, consumer }: Case): TrialRequest => ({
  method: request.method,
  target: request.path,
  headers: pairsOf(request.headers),
  body: Buffer.from(request.body),
  address: request.address,
  scheme: request.scheme,
  consumer,
})

export const replyOf = ({ reply }: Case): TrialReply => trialReply(reply)

/** By upstream. */
export const askedOf = ({ asked }: Case): Record<string, TrialReply> =>
  Object.fromEntries([...asked].map(([name, reply]) => [name, trialReply(reply)]))

const trialReply = ({ status, headers, body }: Case['reply']): TrialReply => ({
  status,
  headers: pairsOf(headers),
  body: Buffer.from(body),
})

const pairsOf = (headers: ReadonlyMap<string, string | readonly string[]>): HeaderPair[] =>
  [...headers].flatMap(([name, values]) => [values].flat().map((value): HeaderPair => [name, value]))
