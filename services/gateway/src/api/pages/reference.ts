import { randomBytes } from 'node:crypto'
import { referencePolicy } from '../../domain/security-headers.ts'
import { html, type Page } from './layout.ts'

/** Address of a file of the reference; the version in it lets browsers keep the file for good. */
export type AssetPath = (name: string) => string

/** The page of the API reference. Everything it loads comes from this host, and only what carries its nonce runs. */
export const referencePage = (path: AssetPath): Page => {
  const nonce = randomBytes(16).toString('base64')
  const { markup } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API reference · Ashlar</title>
<link rel="icon" type="image/png" href="${path('favicon-32x32.png')}">
<link rel="stylesheet" nonce="${nonce}" href="${path('swagger-ui.css')}">
</head>
<body>
<div id="reference"><noscript>The reference needs a script. <a href="/openapi.json">The same as JSON</a>.</noscript></div>
<script nonce="${nonce}" src="${path('swagger-ui-bundle.js')}" defer></script>
<script nonce="${nonce}" src="${path('reference.js')}" defer></script>
</body>
</html>
`
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      ...referencePolicy(nonce),
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    },
    body: markup,
  }
}
