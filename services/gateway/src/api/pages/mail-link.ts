import { html, type Markup, type Page, page } from './layout.ts'

/** What a link in a mail is for, in the words of its pages. */
export type MailLink = {
  path: '/verify-email' | '/reset-password'
  title: string
  invitation: string
  button: string
  done: string
  /** Asked of the person beside the token. */
  password: boolean
}

export const MAIL_LINKS: readonly MailLink[] = [
  {
    path: '/verify-email',
    title: 'Confirm your e-mail address',
    invitation: 'Press the button to confirm that this address is yours.',
    button: 'Confirm address',
    done: 'Your e-mail address is confirmed. You can sign in now.',
    password: false,
  },
  {
    path: '/reset-password',
    title: 'Choose a new password',
    invitation: 'All devices that are signed in will be signed out.',
    button: 'Set new password',
    done: 'Your new password is set. Sign in with it.',
    password: true,
  },
]

/**
 * The page behind a link in a mail. Opening it changes nothing, since mail scanners open links too; only the person's
 * own press of the button sends the form. It needs no script.
 */
export const mailLinkPage = (link: MailLink, token: string, complaints: readonly string[] = []): Page =>
  page(
    link.title,
    html`<h1>${link.title}</h1>
${complaints.map((complaint) => html`<p role="alert">${complaint}</p>`)}
<p>${link.invitation}</p>
<form method="post" action="${link.path}">
<input type="hidden" name="token" value="${token}">
${link.password ? PASSWORD : undefined}
<button type="submit">${link.button}</button>
</form>`,
  )

const PASSWORD: Markup = html`<label for="newPassword">New password</label>
<input id="newPassword" name="newPassword" type="password" autocomplete="new-password" required autofocus>`

export const mailLinkDonePage = (link: MailLink): Page => page('Done', html`<h1>Done</h1><p>${link.done}</p>`)

/** Says what went wrong, and what the person can do about it. `requestId` is for whoever he asks for help. */
export const mailLinkTroublePage = (link: MailLink, trouble: string, requestId: string): Page =>
  page(
    link.title,
    html`<h1>${link.title}</h1>
<p role="alert">${trouble}</p>
<p class="soft">Request ${requestId}</p>`,
  )
