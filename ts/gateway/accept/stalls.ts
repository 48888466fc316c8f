// Says when connections begin to wait because no file descriptor is free, and when they no longer do. The worker's
// wiring lets it look with each beat.
import type { Log } from '../../shared/log.ts'
import { native } from '../../shared/native.ts'

export class StallReport {
  readonly #log: Log
  #stalls = 0
  #stalling = false

  constructor(log: Log) {
    this.#log = log
  }

  look(): void {
    const stalls = native().frontEndStalls()
    const grows = stalls !== this.#stalls
    if (grows && !this.#stalling) {
      this.#log.error('no file descriptor free: new connections wait (see `ulimit -n`)')
    } else if (!grows && this.#stalling) {
      this.#log.info('new connections are accepted again')
    }
    this.#stalling = grows
    this.#stalls = stalls
  }
}
