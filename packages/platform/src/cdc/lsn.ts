/** A position in the write-ahead log as a number that can be compared. */
export type Lsn = bigint

/** Reads PostgreSQL's `X/Y`, with or without leading zeros. Throws on anything else. */
export const parseLsn = (text: string): Lsn => {
  const match = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text)
  if (!match) throw new Error(`Not a log position: ${text}`)
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}

/** Writes `X/Y` in upper case without leading zeros: one text per position, whatever the server's version prints. */
export const formatLsn = (lsn: Lsn): string =>
  `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`
