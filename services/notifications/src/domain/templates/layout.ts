/**
 * The frame of every HTML mail. One column of at most 32 rem, system fonts, no image and no request to any host;
 * colours keep a contrast of at least 4.5:1 in light and dark (WCAG 2.2, 1.4.3). The table is for clients that lay
 * out nothing else, and is announced as presentation only.
 */
export const LAYOUT = `<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{heading}}</title>
<style>
body { margin: 0; padding: 0; background: #f3f1ec; }
.card { max-width: 32rem; margin: 0 auto; background: #ffffff; border: 1px solid #ddd8cd; border-radius: 10px; }
.cell { padding: 32px; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; color: #24211b; }
.brand { margin: 0 0 24px; font-size: 14px; letter-spacing: .04em; color: #6b6455; }
h1 { margin: 0 0 16px; font-size: 22px; line-height: 1.3; }
p { margin: 0 0 16px; }
.button { display: inline-block; padding: 12px 22px; border-radius: 8px; background: #1f4d3a; color: #ffffff !important; text-decoration: none; font-weight: 600; }
.code { font-size: 28px; font-weight: 600; letter-spacing: .2em; }
.small { font-size: 14px; color: #6b6455; }
.wrap { word-break: break-all; }
.facts { width: 100%; margin: 0 0 16px; border-collapse: collapse; }
.facts th { padding: 8px 12px 8px 0; text-align: left; font-weight: 400; color: #6b6455; vertical-align: top; border-top: 1px solid #e7e2d7; }
.facts td { padding: 8px 0; text-align: right; border-top: 1px solid #e7e2d7; word-break: break-word; }
@media (prefers-color-scheme: dark) {
body { background: #191713; }
.card { background: #24211b; border-color: #3d392f; }
.cell { color: #f0ece2; }
.brand, .small, .facts th { color: #b5ad9b; }
.facts th, .facts td { border-color: #3d392f; }
.button { background: #8fd1b3; color: #12291f !important; }
a { color: #8fd1b3; }
}
</style>
</head>
<body>
<table role="presentation" width="100%" cellspacing="0" cellpadding="0" border="0"><tr><td style="padding: 24px 12px">
<table role="presentation" class="card" align="center" width="100%" cellspacing="0" cellpadding="0" border="0"><tr><td class="cell">
<p class="brand">{{product}}</p>
<h1>{{heading}}</h1>
{{> @partial-block}}
</td></tr></table>
</td></tr></table>
</body>
</html>
`

/** A link as a button, and once more in full for those whose client shows no buttons. */
export const LINK_BUTTON = `<p><a class="button" href="{{link}}">{{label}}</a></p>
<p class="small">If the button does not work, open this address:<br><a class="wrap" href="{{link}}">{{link}}</a></p>
`
