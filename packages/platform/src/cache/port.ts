/**
 * Values that are dear to make and may be a little old. Keys are words joined by colons (`templates:welcome:v3`).
 * What comes out is shared by all who ask and must not be changed by any of them.
 *
 * Not for decisions inside a transaction: what it holds was true at some moment before. An adapter that keeps values
 * elsewhere makes them itself while it cannot reach that place: an outage makes it slower, never wrong.
 */
export type Cache<V> = {
  /**
   * The value of `key`, made by `load` where it is not there. However many ask at once, one load runs and all of them
   * get what it brings. A load that fails is told to those who wait for it and to nobody after them.
   */
  get(key: string, load: () => Promise<V>): Promise<V>
  /**
   * Forgets a key, or, where the text ends in a colon, every key that begins with it. Who asks afterwards gets a value
   * whose load began afterwards: one that is on its way already is neither kept nor handed to him. Call it after the
   * commit of the change: a load between the two would bring the old value back.
   */
  invalidate(keyOrPrefix: string): Promise<void>
  /** Forgets everything. */
  close(): Promise<void>
}
