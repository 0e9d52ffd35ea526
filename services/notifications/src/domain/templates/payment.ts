import type { Template } from '../template.ts'

const FACTS_HTML = `<table class="facts">
<tr><th scope="row">Amount</th><td>{{amount}} {{currency}}</td></tr>
<tr><th scope="row">Payment</th><td>{{transactionId}}</td></tr>
<tr><th scope="row">Date</th><td>{{date}}</td></tr>
</table>
`
const FACTS_TEXT = `Amount:  {{amount}} {{currency}}
Payment: {{transactionId}}
Date:    {{date}}
`
const VARIABLES = {
  product: 'required',
  firstName: 'optional',
  transactionId: 'required',
  amount: 'required',
  currency: 'required',
  date: 'required',
} as const

export const paymentReceived: Template = {
  name: 'payment-received',
  version: 1,
  variables: VARIABLES,
  subject: 'We received your payment order of {{amount}} {{currency}}',
  html: `{{#> layout heading="Your payment order"}}
<p>{{#if firstName}}Hello {{firstName}}, we{{else}}We{{/if}} received your payment order. Nothing is charged yet; you will get a second mail when it is.</p>
${FACTS_HTML}{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}We received your payment order. Nothing is charged yet; you will get a second mail when it is.

${FACTS_TEXT}
{{product}}
`,
}

export const paymentConfirmation: Template = {
  name: 'payment-confirmation',
  version: 1,
  variables: VARIABLES,
  subject: 'Your receipt: {{amount}} {{currency}}',
  html: `{{#> layout heading="Payment completed"}}
<p>{{#if firstName}}Hello {{firstName}}, your{{else}}Your{{/if}} payment is completed. Thank you. Please keep this mail as your receipt.</p>
${FACTS_HTML}{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}Your payment is completed. Thank you. Please keep this mail as your receipt.

${FACTS_TEXT}
{{product}}
`,
}

export const paymentFailed: Template = {
  name: 'payment-failed',
  version: 1,
  variables: { ...VARIABLES, errorMessage: 'required' },
  subject: 'Your payment of {{amount}} {{currency}} did not go through',
  html: `{{#> layout heading="Payment failed"}}
<p>{{#if firstName}}Hello {{firstName}}, your{{else}}Your{{/if}} payment did not go through: {{errorMessage}}. You were not charged.</p>
${FACTS_HTML}{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}Your payment did not go through: {{errorMessage}}. You were not charged.

${FACTS_TEXT}
{{product}}
`,
}

export const paymentRefunded: Template = {
  name: 'payment-refunded',
  version: 1,
  variables: VARIABLES,
  subject: 'Refund of {{amount}} {{currency}}',
  html: `{{#> layout heading="Refund"}}
<p>{{#if firstName}}Hello {{firstName}}, we{{else}}We{{/if}} sent money back to you. Depending on your bank it takes a few days to arrive.</p>
${FACTS_HTML}{{/layout}}
`,
  text: `{{#if firstName}}Hello {{firstName}},

{{/if}}We sent money back to you. Depending on your bank it takes a few days to arrive.

${FACTS_TEXT}
{{product}}
`,
}
