import type { Keyring } from '@ashlar/platform/keys'
import type { Content, ContentSeal, SuppressedAddress } from '../application/ports.ts'
import { addressKey } from '../domain/address.ts'

const RENDERED = 1

export const createContentSeal = (keys: Keyring): ContentSeal => {
  const content = (row: string) => ({ table: 'notification_contents', column: 'sealed', row })
  const suppression = (row: string) => ({ table: 'suppressions', column: 'sealed', row })
  // Two purposes, so that a release which knows only rendered texts cannot mistake variables for them.
  const purposeOf = (format: number) => (format === RENDERED ? 'notification-content' : 'notification-variables')
  return {
    seal: (id, value) => keys.seal('notification-variables', JSON.stringify(value), content(id)),
    open: (id, { sealed, format }) =>
      JSON.parse(keys.open(purposeOf(format), sealed, content(id)).toString('utf8')) as Content,
    sealSuppression: (id, about) => keys.seal('suppression', JSON.stringify(about), suppression(id)),
    openSuppression: (id, sealed) =>
      JSON.parse(keys.open('suppression', sealed, suppression(id)).toString('utf8')) as SuppressedAddress,
    hashAddress: (address) => keys.hash('notification-address', addressKey(address)),
  }
}
