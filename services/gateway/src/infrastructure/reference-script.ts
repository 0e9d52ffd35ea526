/**
 * Starts the reference in the browser. It takes the document from this host and, whatever the document says, sends
 * requests back to the host that it came from: the page's policy would stop them anywhere else. Tokens that somebody
 * types in live as long as the page.
 */
export const REFERENCE_SCRIPT = `'use strict'
const show = async () => {
  const response = await fetch('/openapi.json', { credentials: 'omit' })
  const spec = await response.json()
  spec.servers = [{ url: location.origin }]
  SwaggerUIBundle({
    spec,
    dom_id: '#reference',
    presets: [SwaggerUIBundle.presets.apis],
    layout: 'BaseLayout',
    deepLinking: true,
    docExpansion: 'list',
    // What people build with comes first, what operators look at last.
    tagsSorter: (a, b) => (a === 'gateway') - (b === 'gateway'),
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    persistAuthorization: false,
    queryConfigEnabled: false,
    validatorUrl: null,
    withCredentials: false,
  })
}
show().catch(() => {
  document.querySelector('#reference').textContent = 'The description of the interface could not be loaded. Try again in a moment.'
})
`
