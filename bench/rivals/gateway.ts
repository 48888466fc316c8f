// What the proxy suite knows of a gateway under measurement, whichever it is.
import type { Processes, Running } from '../processes.ts'

export interface Gateway {
  readonly name: string
  readonly port: number
  readonly running: Running
}

export interface GatewayOptions {
  /** List of cores as taskset takes it. */
  readonly cores: string
  readonly upstreamPort: number
  /** API keys of consumers, in the header `api-key`: one of them is asked for, and a limit counted by it. */
  readonly keys?: readonly string[]
}

/** Resolves to null where the gateway is not installed. */
export type StartGateway = (processes: Processes, options: GatewayOptions) => Promise<Gateway | null>
