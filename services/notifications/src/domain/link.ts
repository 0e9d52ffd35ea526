/** The page behind a mail's link. `publicUrl` comes from configuration, never from a request's `Host`. */
export const tokenLink = (publicUrl: string, page: 'verify-email' | 'reset-password', token: string): string =>
  `${publicUrl.replace(/\/+$/, '')}/${page}?token=${encodeURIComponent(token)}`

/** All addresses in a plain text, in order, without the punctuation that ends a sentence. */
export const linksIn = (text: string): string[] =>
  [...text.matchAll(/https?:\/\/[^\s<>"']+/g)].map(([link]) => link.replace(/[.,;:!?)\]]+$/, ''))

/** An instant as mails show it: to the minute, in UTC, and saying so. */
export const mailDate = (instant: string | Date): string =>
  `${new Date(instant).toISOString().slice(0, 16).replace('T', ' ')} UTC`
