import type { Template } from '../template.ts'

/** Proves an address. The link itself does nothing: the page behind it asks for one more press. */
export const verifyEmail: Template = {
  name: 'verify-email',
  version: 1,
  variables: { product: 'required', firstName: 'optional', link: 'required', expires: 'required' },
  subject: 'Confirm your e-mail address',
  html: `{{#> layout heading="Confirm your e-mail address"}}
<p>{{#if firstName}}Hello {{firstName}}, please{{else}}Please{{/if}} confirm that this address is yours. Until then nobody can sign in with it.</p>
{{> button label="Confirm address"}}
<p class="small">The link works once, until {{expires}}. If you did not register with {{product}}, do nothing: without the link the account stays closed.</p>
{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}Please confirm that this address is yours. Until then nobody can sign in with it:

{{link}}

The link works once, until {{expires}}.
If you did not register with {{product}}, do nothing: without the link the account stays closed.

{{product}}
`,
}

/** Tells the owner of an address that somebody tried to register with it. The registration itself answers alike for both. */
export const emailAlreadyRegistered: Template = {
  name: 'email-already-registered',
  version: 1,
  variables: { product: 'required', firstName: 'optional', signInLink: 'required' },
  subject: 'You already have an account',
  html: `{{#> layout heading="You already have an account"}}
<p>{{#if firstName}}Hello {{firstName}}, somebody{{else}}Somebody{{/if}} has just tried to register with {{product}} under this address, which already has an account. Nothing was changed.</p>
<p>If it was you, sign in with the password you have: <a class="wrap" href="{{signInLink}}">{{signInLink}}</a></p>
<p class="small">If it was not you, do nothing.</p>
{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}Somebody has just tried to register with {{product}} under this address, which already has an account. Nothing was changed.

If it was you, sign in with the password you have:

{{signInLink}}

If it was not you, do nothing.

{{product}}
`,
}

/** Carries the link with which a password is set: a forgotten one, or the first one of an account made by an operator. */
export const passwordReset: Template = {
  name: 'password-reset',
  version: 1,
  variables: { product: 'required', firstName: 'optional', link: 'required', expires: 'required' },
  subject: 'Set your password',
  html: `{{#> layout heading="Set your password"}}
<p>{{#if firstName}}Hello {{firstName}}, with{{else}}With{{/if}} this link you choose a new password for your account. All devices will be signed out.</p>
{{> button label="Choose a password"}}
<p class="small">The link works once, until {{expires}}. If you did not ask for it, do nothing: your password stays as it is.</p>
{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}With this link you choose a new password for your account. All devices will be signed out.

{{link}}

The link works once, until {{expires}}.
If you did not ask for it, do nothing: your password stays as it is.

{{product}}
`,
}

export const welcome: Template = {
  name: 'welcome',
  version: 1,
  variables: {
    product: 'required',
    firstName: 'optional',
    lastName: 'optional',
    email: 'required',
    signInLink: 'required',
  },
  subject: 'Welcome to {{product}}',
  html: `{{#> layout heading="Welcome"}}
<p>{{#if firstName}}Hello {{firstName}}{{#if lastName}} {{lastName}}{{/if}}, your{{else}}Your{{/if}} address {{email}} is confirmed and your account is open.</p>
<p>You can sign in now: <a class="wrap" href="{{signInLink}}">{{signInLink}}</a></p>
{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}}{{#if lastName}} {{lastName}}{{/if}},

{{/if}}Your address {{email}} is confirmed and your account is open. You can sign in now:

{{signInLink}}

{{product}}
`,
}

/** Sent when a refresh token that was already exchanged comes back: either it was stolen, or its successor was. */
export const securityAlert: Template = {
  name: 'security-alert',
  version: 1,
  variables: { product: 'required', firstName: 'optional', date: 'required', ipAddress: 'optional' },
  subject: 'A session of yours was ended',
  html: `{{#> layout heading="A session of yours was ended"}}
<p>{{#if firstName}}Hello {{firstName}}, an{{else}}An{{/if}} old key of one of your sessions was used again. That happens when a key was copied, so the whole session was ended.</p>
<table class="facts">
<tr><th scope="row">When</th><td>{{date}}</td></tr>
{{#if ipAddress}}<tr><th scope="row">From</th><td>{{ipAddress}}</td></tr>
{{/if}}</table>
<p>Your other sessions still work. If you do not know that address, sign out everywhere and change your password.</p>
{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}An old key of one of your sessions was used again. That happens when a key was copied, so the whole session was ended.

When: {{date}}
{{#if ipAddress}}From: {{ipAddress}}
{{/if}}
Your other sessions still work. If you do not know that address, sign out everywhere and change your password.

{{product}}
`,
}
