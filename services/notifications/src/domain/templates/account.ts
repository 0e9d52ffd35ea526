import type { BuiltInTemplate } from './built-in.ts'

/** Proves an address. The link itself does nothing: the page behind it asks for one more press. */
export const verifyEmail: BuiltInTemplate = {
  name: 'verify-email',
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
export const emailAlreadyRegistered: BuiltInTemplate = {
  name: 'email-already-registered',
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
export const passwordReset: BuiltInTemplate = {
  name: 'password-reset',
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

export const welcome: BuiltInTemplate = {
  name: 'welcome',
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

/** Carries a one-time code with which somebody signs in. */
export const otpCode: BuiltInTemplate = {
  name: 'otp-code',
  variables: { product: 'required', firstName: 'optional', code: 'required', expires: 'required' },
  subject: 'Your code for {{product}}',
  html: `{{#> layout heading="Your code"}}
<p>{{#if firstName}}Hello {{firstName}}, with{{else}}With{{/if}} this code you sign in:</p>
<p class="code">{{code}}</p>
<p class="small">It works once, until {{expires}}. Nobody of {{product}} will ever ask you for it. If you did not ask for it, do nothing.</p>
{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}With this code you sign in:

{{code}}

It works once, until {{expires}}. Nobody of {{product}} will ever ask you for it.
If you did not ask for it, do nothing.

{{product}}
`,
}

/** Tells the owner of an account what happened to its safety; `domain/alert.ts` has the words. */
export const securityAlert: BuiltInTemplate = {
  name: 'security-alert',
  variables: {
    product: 'required',
    firstName: 'optional',
    headline: 'required',
    message: 'required',
    advice: 'optional',
    date: 'required',
    ipAddress: 'optional',
  },
  subject: '{{headline}}',
  html: `{{#> layout heading=headline}}
<p>{{#if firstName}}Hello {{firstName}}. {{/if}}{{message}}</p>
<table class="facts">
<tr><th scope="row">When</th><td>{{date}}</td></tr>
{{#if ipAddress}}<tr><th scope="row">From</th><td>{{ipAddress}}</td></tr>
{{/if}}</table>
{{#if advice}}<p>{{advice}}</p>
{{/if}}{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}{{message}}

When: {{date}}
{{#if ipAddress}}From: {{ipAddress}}
{{/if}}
{{#if advice}}{{advice}}

{{/if}}{{product}}
`,
}
