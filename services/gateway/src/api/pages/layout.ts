import { randomBytes } from 'node:crypto'
import { pagePolicy } from '../../domain/security-headers.ts'

/** Markup that is safe to place in a page as it is. */
export type Markup = { readonly markup: string }

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character)

type Part = string | number | Markup | undefined | readonly Part[]

const render = (part: Part): string => {
  if (part === undefined) return ''
  if (typeof part === 'object') return 'markup' in part ? part.markup : part.map(render).join('')
  return escaped(String(part))
}

/** Builds markup from a template literal; everything put into it is escaped unless it is markup itself. */
export const html = (strings: TemplateStringsArray, ...parts: Part[]): Markup => ({
  markup: String.raw({ raw: strings }, ...parts.map(render)),
})

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2327;--soft:#5c666d;--line:#d9dee1;--paper:#fbfbfa;--card:#fff;--accent:#22577a}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ea;--soft:#9aa5ab;--line:#343c41;--paper:#15191b;--card:#1c2123;--accent:#8cc3e6}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:44rem;margin:0 auto;padding:3.5rem 1.25rem}
h1{font-size:1.6rem;font-weight:650;letter-spacing:-.01em;margin:0 0 .4rem}
h2{font-size:1.05rem;margin:0}
p{margin:.6rem 0}
.soft{color:var(--soft);font-size:.92rem}
a{color:var(--accent)}
ul{list-style:none;padding:0;margin:1.6rem 0 0;border-top:1px solid var(--line)}
li{padding:.75rem 0;border-bottom:1px solid var(--line)}
article{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:1rem 1.15rem;margin:1rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:.88rem/1.5 ui-monospace,monospace;margin:.8rem 0 0}
label{display:block;margin:1rem 0 .3rem}
input{width:100%;padding:.55rem .7rem;border:1px solid var(--line);border-radius:.35rem;background:var(--card);color:inherit;font:inherit}
button{margin-top:1.2rem;padding:.6rem 1.15rem;border:0;border-radius:.35rem;background:var(--accent);color:var(--paper);font:inherit;font-weight:600;cursor:pointer}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
`

export type Page = { headers: Record<string, string>; body: string }

/** A whole page. It loads nothing, runs no script, is kept nowhere, and tells no other site where the reader came from. */
export const page = (title: string, content: Markup): Page => {
  const nonce = randomBytes(16).toString('base64')
  const { markup } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Ashlar</title>
<style nonce="${nonce}">${{ markup: STYLE }}</style>
</head>
<body><main>
${content}
</main></body>
</html>
`
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      ...pagePolicy(nonce),
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    },
    body: markup,
  }
}
