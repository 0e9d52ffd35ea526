/** The vocabulary that every layer of every service may use. No dependency, no I/O. */
export { type Brand, unreachable } from './brand.ts'
export { canonicalJson, type Json } from './canonical-json.ts'
export { type Clock, systemClock } from './clock.ts'
export { type Currency, exponentOf, isCurrency } from './currency.ts'
export { isUuid, type NewId, uuidOf, uuidv7 } from './id.ts'
export { formatAmount, type Money, parseMoney } from './money.ts'
export { type Err, err, type Ok, ok, type Result } from './result.ts'
