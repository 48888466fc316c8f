// The exchanges of a worker: made once and reused by slot. `gateway.ts` begins and ends them; rows and events find theirs
// by tag or slot.
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import { firstDirectSlot } from '../shared/native-direct.ts'
import { Exchange, Phase, type Listener, type RunningPlan } from './exchange.ts'

export const maxSlots = 0x1_0000
const generations = 0x4000

/** The callbacks that uWebSockets.js gets for an exchange; wired once per slot by the worker. */
export interface ExchangeCallbacks {
  aborted(exchange: Exchange): void
  body(exchange: Exchange, chunk: ArrayBuffer, last: boolean): void
  writable(exchange: Exchange, offset: number): boolean
  /** Writes what is due, inside a cork. */
  corked(exchange: Exchange): void
  /** Where it was not set: one of a request that went past the front end. */
  requestId(exchange: Exchange): string
}

/** The free list. `begin` returns null when every slot is taken. */
export class Exchanges {
  readonly #all: Exchange[] = []
  readonly #free: Exchange[] = []
  /** By slot, from `firstDirectSlot` on: their slots are the addon's to give. */
  readonly #direct: Exchange[] = []
  readonly #callbacks: ExchangeCallbacks
  active = 0

  constructor(callbacks: ExchangeCallbacks) {
    this.#callbacks = callbacks
  }

  begin(
    response: HttpResponse,
    request: HttpRequest,
    listener: Listener,
    running: RunningPlan,
    nowMs: number,
  ): Exchange | null {
    let exchange = this.#free.pop()
    if (exchange === undefined) {
      if (this.#all.length === firstDirectSlot) return null
      exchange = new Exchange(this.#all.length, this.#callbacks)
      this.#all.push(exchange)
    }
    exchange.response = response
    exchange.request = request
    return this.#open(exchange, listener, running, nowMs)
  }

  /** For a request that went past the front end. */
  beginDirect(slot: number, listener: Listener, running: RunningPlan, nowMs: number): Exchange {
    const index = slot - firstDirectSlot
    while (this.#direct.length <= index) {
      this.#direct.push(new Exchange(this.#direct.length + firstDirectSlot, this.#callbacks))
    }
    return this.#open(this.#direct[index]!, listener, running, nowMs)
  }

  #open(exchange: Exchange, listener: Listener, running: RunningPlan, nowMs: number): Exchange {
    this.active++
    running.exchanges++
    exchange.phase = Phase.open
    exchange.listener = listener
    exchange.running = running
    exchange.startedAtMs = nowMs
    return exchange
  }

  /** The one that is in flight in a slot, or null. */
  bySlot(slot: number): Exchange | null {
    const exchange = slot < firstDirectSlot ? this.#all[slot] : this.#direct[slot - firstDirectSlot]
    return exchange !== undefined && exchange.phase !== Phase.free ? exchange : null
  }

  /** The exchange a row belongs to, or null when that request has ended. */
  byTag(tag: number): Exchange | null {
    const slot = tag & (maxSlots - 1)
    const exchange = slot < firstDirectSlot ? this.#all[slot] : this.#direct[slot - firstDirectSlot]
    return exchange !== undefined && exchange.tag === tag && exchange.phase !== Phase.free ? exchange : null
  }

  end(exchange: Exchange): void {
    this.active--
    exchange.running.exchanges--
    exchange.phase = Phase.free
    const generation = ((exchange.tag >>> 16) + 1) % generations
    exchange.tag = exchange.slot | (generation << 16)
    exchange.clear()
    if (!exchange.direct) this.#free.push(exchange)
  }
}
