import type { BuiltInTemplate } from './built-in.ts'

const FACTS_HTML = `<table class="facts">
<tr><th scope="row">Amount</th><td>{{amount}}{{#if currency}} {{currency}}{{/if}}</td></tr>
<tr><th scope="row">Payment</th><td>{{transactionId}}</td></tr>
{{#if date}}<tr><th scope="row">Date</th><td>{{date}}</td></tr>
{{/if}}</table>
`
const FACTS_TEXT = `Amount:  {{amount}}{{#if currency}} {{currency}}{{/if}}
Payment: {{transactionId}}
{{#if date}}Date:    {{date}}
{{/if}}`
const VARIABLES = {
  product: 'required',
  firstName: 'optional',
  transactionId: 'required',
  amount: 'required',
  currency: 'required',
  date: 'required',
} as const

export const paymentReceived: BuiltInTemplate = {
  name: 'payment-received',
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

export const paymentConfirmation: BuiltInTemplate = {
  name: 'payment-confirmation',
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

export const paymentFailed: BuiltInTemplate = {
  name: 'payment-failed',
  variables: { ...VARIABLES, currency: 'optional', date: 'optional', errorMessage: 'required' },
  subject: 'Your payment of {{amount}}{{#if currency}} {{currency}}{{/if}} did not go through',
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

export const paymentRefunded: BuiltInTemplate = {
  name: 'payment-refunded',
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
