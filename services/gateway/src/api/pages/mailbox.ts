import type { MailboxMessage } from '../../application/ports.ts'
import { html, type Page, page } from './layout.ts'

/** Only what a browser can open safely becomes a link: a mail's text decides what stands here. */
const linkable = (link: string): boolean => /^https?:\/\//i.test(link)

const message = ({ to, subject, text, template, links, sentAt }: MailboxMessage) => html`<article>
<h2>${subject}</h2>
<p class="soft">to ${to} · ${template} · ${sentAt}</p>
${links.filter(linkable).map((link) => html`<p><a href="${link}" rel="noreferrer">${link}</a></p>`)}
<pre>${text}</pre>
</article>`

/** The development mailbox, newest first. */
export const mailboxPage = (messages: readonly MailboxMessage[], to: string | undefined): Page =>
  page(
    'Mailbox',
    html`<h1>Mailbox</h1>
<p class="soft">Mails that were taken instead of being sent${to ? html` to ${to}` : undefined}, newest first. Also as <a href="/dev/mailbox/messages">JSON</a>.</p>
${messages.length > 0 ? messages.map(message) : html`<p>No mail yet.</p>`}`,
  )
