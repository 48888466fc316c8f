// What ends with a test: node:test's context, or anything else with its `after`.

export interface Scope {
  after(end: () => unknown): void
}

/** Rejects with `what` in its message when `promise` takes longer. Only for what would otherwise hang a test run. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
