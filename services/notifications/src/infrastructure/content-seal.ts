import type { Keyring } from '@ashlar/platform/keys'
import type { Content, ContentSeal } from '../application/ports.ts'
import { addressKey } from '../domain/address.ts'

export const createContentSeal = (keys: Keyring): ContentSeal => {
  const bound = (row: string) => ({ table: 'notification_contents', column: 'sealed', row })
  return {
    seal: (id, content) => keys.seal('notification-content', JSON.stringify(content), bound(id)),
    open: (id, sealed) => JSON.parse(keys.open('notification-content', sealed, bound(id)).toString('utf8')) as Content,
    hashAddress: (address) => keys.hash('notification-address', addressKey(address)),
  }
}
