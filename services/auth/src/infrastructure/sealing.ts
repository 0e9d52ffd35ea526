import type { NewId } from '@ashlar/kernel'
import type { Keyring } from '@ashlar/platform/keys'
import type { HashIdentifier, SealMail } from '../application/ports.ts'

/** What leaves this service only in a form that nobody reads without the keys of this Ashlar. */
export const createSealing = (options: {
  keys: Keyring
  newId: NewId
}): { sealMail: SealMail; hashIdentifier: HashIdentifier } => {
  const { keys, newId } = options
  return {
    sealMail: (content) => {
      const sealId = newId()
      const bound = { table: 'mail.requested', column: 'sealed', row: sealId }
      return { sealed: keys.seal('mail-request', JSON.stringify(content), bound).toString('base64'), sealId }
    },
    hashIdentifier: (email) => keys.hash('login-identifier', email),
  }
}
