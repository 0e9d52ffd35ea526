/** Access tokens as every service checks them: signature, claims, and whether their session still stands. */
export { ACCESS_TOKEN_ALGORITHM, ACCESS_TOKEN_TYPE, CLOCK_SKEW_SECONDS } from './claims.ts'
export { createRevocationSet, REVOCATIONS_CHANNEL, type Revocation } from './revocation-set.ts'
export { createTokenVerifier } from './verifier.ts'
