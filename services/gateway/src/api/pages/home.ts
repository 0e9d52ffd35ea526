import { html, type Page, page } from './layout.ts'

export type HomeLinks = { metrics: boolean; mailbox: boolean }

/** The page at `/`: what is here, and nothing that is not built. */
export const homePage = ({ metrics, mailbox }: HomeLinks): Page =>
  page(
    'Welcome',
    html`<h1>Ashlar is running.</h1>
<p class="soft">Accounts, payments, notifications and an audit trail, behind this one address.</p>
<ul>
<li><a href="/health">Health</a> <span class="soft">of every service and what it depends on</span></li>
<li><a href="/docs">API reference</a> <span class="soft">every route, to read and to try</span></li>
<li><a href="/openapi.json">OpenAPI</a> <span class="soft">the same for programs</span></li>
${metrics ? html`<li><a href="/metrics">Metrics</a> <span class="soft">for Prometheus</span></li>` : undefined}
${mailbox ? html`<li><a href="/dev/mailbox">Mailbox</a> <span class="soft">the mails that would have been sent</span></li>` : undefined}
</ul>`,
  )
