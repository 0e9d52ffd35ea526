import { mergeOpenApi } from '@ashlar/platform/http'
import { qualifyComponents } from '../../domain/qualified-components.ts'

type Documents = readonly { service: string; document: object }[]

/** One OpenAPI 3.1 document of everything behind this gateway. Throws where two services claim one path. */
export const mergedOpenApi = (documents: Documents, publicUrl: string): object => {
  const info = {
    title: 'Ashlar',
    version: '1',
    description: 'Accounts, payments, notifications and audit behind one address.',
  }
  const merged = mergeOpenApi(info, qualifyComponents(documents))
  return { ...merged, servers: [{ url: publicUrl }] }
}

/** Each method and path of a document, for route labels. */
export const routesOf = (document: object): { method: string; path: string }[] =>
  Object.entries((document as { paths?: Record<string, object> }).paths ?? {}).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => ({ method: method.toUpperCase(), path })),
  )
