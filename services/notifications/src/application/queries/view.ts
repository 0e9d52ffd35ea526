import type { ContentSeal, MessageView } from '../ports.ts'

/** A message as its reader sees it: with its address, as long as that is kept. */
export type Message = Omit<MessageView, 'content' | 'position'> & { to: string | null }

export const messageOf = (
  seal: Pick<ContentSeal, 'open'>,
  { content, position: _, ...view }: MessageView,
): Message => ({
  ...view,
  to: content ? addressIn(() => seal.open(view.id, content).to) : null,
})

/** A content that does not open shows when it is sent; here it is only not shown. */
const addressIn = (open: () => string): string | null => {
  try {
    return open()
  } catch {
    return null
  }
}

/** Who asks, as far as it matters here. */
export type Requester = { userId: string; permissions: readonly string[] }

export const readsAll = ({ permissions }: Requester): boolean => permissions.includes('notifications:read')
