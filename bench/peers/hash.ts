/** The limit of a login: how many passwords this machine checks in a second when it does nothing else. */
import { hash, verify } from '@node-rs/argon2'

const PARAMETERS = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 }
const durationMs = Number(process.argv[2] ?? 2_000)
const concurrency = Number(process.argv[3] ?? 2)

const password = 'a fine password to check'
const stored = await hash(password, PARAMETERS)
let checked = 0
const beganMs = performance.now()
await Promise.all(
  Array.from({ length: concurrency }, async () => {
    while (performance.now() - beganMs < durationMs) {
      await verify(stored, password)
      checked += 1
    }
  }),
)
console.log(checked / ((performance.now() - beganMs) / 1000))
