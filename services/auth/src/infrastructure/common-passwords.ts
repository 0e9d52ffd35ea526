import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { foldPassword } from '../domain/password.ts'

export type CommonPasswords = { has(password: string): Promise<boolean> }

/** 64 bits of SHA-256: among some ten thousand, no other password is taken for one of them by chance. */
const digestOf = (password: string): bigint =>
  createHash('sha256').update(foldPassword(password)).digest().readBigUInt64BE(0)

/**
 * The passwords that guessers try first, whatever their case. Read when the first password is judged; what stays in
 * memory is eight bytes for each that is at least `minLength` characters long, the shorter ones being refused anyway.
 */
export const createCommonPasswords = ({ minLength }: { minLength: number }): CommonPasswords => {
  let loading: Promise<BigUint64Array> | undefined

  const load = async (): Promise<BigUint64Array> => {
    const path = fileURLToPath(import.meta.resolve('@zxcvbn-ts/language-common/src/passwords.json'))
    const list: string[] = JSON.parse(await readFile(path, 'utf8'))
    return BigUint64Array.from(list.filter((entry) => entry.length >= minLength).map(digestOf)).sort()
  }
  const digests = (): Promise<BigUint64Array> => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }

  return {
    has: async (password) => {
      const sorted = await digests()
      const wanted = digestOf(password)
      let [low, high] = [0, sorted.length]
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((sorted[middle] as bigint) < wanted) low = middle + 1
        else high = middle
      }
      return sorted[low] === wanted
    },
  }
}
