// What the forward stage tells log and metrics when a peer or an upstream changes its state. Never for clients:
// `subject` and `cause` name addresses.

export interface StateChange {
  /**
   * `ejected`/`recovered`: passive health of an endpoint. `unhealthy`/`healthy`: its active checks.
   * `breaker-open`/`breaker-closed`: the circuit breaker of an upstream.
   */
  readonly kind: 'ejected' | 'recovered' | 'unhealthy' | 'healthy' | 'breaker-open' | 'breaker-closed'
  /** The endpoint's URL and address, or the upstream's name. */
  readonly subject: string
  readonly cause: string
  /** How long it is kept out at least; 0 where no time is set. */
  readonly forMs: number
}

export type OnStateChange = (change: StateChange) => void
