// Memory for bytes of a response that its client has not taken yet, one piece for each slow client. Called by respond.ts.
// A piece is used again: memory that is allocated for each weighs on the worker until the collector runs, and a large
// download to a slow client makes one for every 256 KiB (2 GiB: 33.5 MiB of growth, 4.5 with these).

/** What the upstream client reads at once. Larger pieces, which are rare, are allocated for once. */
const pieceBytes = 256 * 1024
/** 4 MiB of them lie ready. */
const mostKept = 16

export class UnsentPieces {
  readonly #free: ArrayBuffer[] = []

  /** A copy of `bytes`. */
  copy(bytes: Uint8Array): Buffer {
    if (bytes.length > pieceBytes) return Buffer.from(bytes)
    const piece = Buffer.from(this.#free.pop() ?? new ArrayBuffer(pieceBytes), 0, bytes.length)
    piece.set(bytes)
    return piece
  }

  /** The copy, or any part of it, is no longer used. One that is not given back is left to the collector. */
  giveBack(piece: Uint8Array): void {
    const { buffer } = piece
    if (buffer instanceof ArrayBuffer && buffer.byteLength === pieceBytes && this.#free.length < mostKept) {
      this.#free.push(buffer)
    }
  }
}
