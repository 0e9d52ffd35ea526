/** Waits until `check` no longer throws or answers false, at most `withinMs` (10 s); then throws its last error. */
export const eventually = async <T>(check: () => T | Promise<T>, withinMs = 10_000): Promise<T> => {
  const deadline = Date.now() + withinMs
  for (;;) {
    try {
      const value = await check()
      if (value !== false) return value
      if (Date.now() > deadline) throw new Error(`still false after ${withinMs} ms`)
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}
