// The hooks of the plugin contract, in the order of a request, and how a call can end: config, chain, runtimes and metrics
// name them by these words.

export const hookNames = ['request', 'authenticate', 'authorize', 'forward', 'response', 'log'] as const

export type HookName = (typeof hookNames)[number]

export const callResults = [
  'continued',
  'responded',
  // It threw, or said that it fails.
  'error',
  // It has not answered in time.
  'timeout',
  // What it wants done breaks HTTP, or the contract.
  'invalid',
  // Its thread, process or state is gone.
  'lost',
] as const

export type CallResult = (typeof callResults)[number]
export type FailureCause = Exclude<CallResult, 'continued' | 'responded'>
