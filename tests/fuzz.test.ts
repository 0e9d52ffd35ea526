import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance } from './support/instance.ts'
import { call, newAdministrator, newPayment, type Person, signIn } from './support/person.ts'
import { seeded } from './support/random.ts'
import { NASTY, type Schema, spoiled, valueFor } from './support/schema-values.ts'

type Parameter = { name: string; in: 'path' | 'query' | 'header'; required?: boolean; schema: Schema }
type Content = Record<string, { schema?: Schema }>
type Operation = {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { content: Content }
  responses: Record<string, { content?: Content }>
}
type Document = { paths: Record<string, Record<string, Operation>> }

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 25)
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))

let instance: Instance
let administrator: Person
let payment: string
let document: Document

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'error' })
  await instance.start()
  administrator = await newAdministrator(instance)
  await newAdministrator(instance)
  payment = await newPayment(instance, administrator)
  document = (await call(instance, 'GET', '/openapi.json')).body as unknown as Document
})

afterAll(() => instance.remove())

const ajv = new Ajv2020({ strict: false, allErrors: false })
// The module's types say namespace, its default export is the function.
;(addFormats as unknown as (instance: Ajv2020) => void)(ajv)

const pick = <T>(chance: () => number, from: readonly T[]): T => from[Math.floor(chance() * from.length)] as T
const wordOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

type Shot = { method: string; target: string; headers: Record<string, string>; body: string | undefined }

const shotAt = (path: string, method: string, operation: Operation, chance: () => number, token: string): Shot => {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` }
  let target = path
  const query = new URLSearchParams()
  for (const parameter of operation.parameters ?? []) {
    const usual = parameter.name === 'id' && chance() < 0.4 ? payment : wordOf(valueFor(parameter.schema, chance))
    const value = chance() < 0.25 ? wordOf(pick(chance, NASTY)) : usual
    // An empty segment would be another path.
    if (parameter.in === 'path')
      target = target.replace(`{${parameter.name}}`, encodeURIComponent(value.toWellFormed() || '-'))
    else if (parameter.in === 'query') {
      if (parameter.required || chance() < 0.5) query.append(parameter.name, value)
    } else if (chance() < 0.9)
      headers[parameter.name.toLowerCase()] = chance() < 0.8 ? randomUUID() : value.replace(/[^\x20-\x7e]/g, '?')
  }
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
  let body: string | undefined
  if (type !== undefined) {
    const value = valueFor(content?.schema ?? {}, chance)
    body = JSON.stringify(chance() < 0.6 ? spoiled(value, chance) : value)
    if (chance() < 0.05) body = pick(chance, ['', '{', '[', '"', '{"a":1,}', '\u0000', '{"a":1}{"b":2}'])
    headers['content-type'] =
      chance() < 0.95 ? type : pick(chance, ['text/plain', 'application/xml', 'multipart/form-data'])
  }
  if (query.size > 0) target += `?${query}`
  return { method: method.toUpperCase(), target, headers, body }
}

/** What is wrong with an answer, judged by the published document alone; undefined where nothing is. */
const complaint = async (operation: Operation, response: Response): Promise<string | undefined> => {
  const { status } = response
  const text = await response.text()
  if (status >= 500 && status !== 503) return `answered ${status}: ${text}`
  const described = operation.responses[String(status)]
  if (described === undefined) return `answered ${status}, which is not described: ${text.slice(0, 300)}`
  const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? ''
  const contents = described.content ?? {}
  if (Object.keys(contents).length === 0) return text === '' ? undefined : `a body where none is described (${status})`
  const content = Object.entries(contents).find(([name]) => name.split(';')[0] === type)?.[1]
  if (content === undefined) return `answered ${status} as ${type}, described as ${Object.keys(contents).join(', ')}`
  if (!/^application\/(?:json|problem\+json)$/.test(type) || content.schema === undefined) return undefined
  const validate = ajv.compile({ ...content.schema, components: (document as { components?: unknown }).components })
  return validate(JSON.parse(text))
    ? undefined
    : `${status}: ${ajv.errorsText(validate.errors)} in ${text.slice(0, 500)}`
}

test(`no request makes a server error, and every answer is as described (seed ${seed})`, {
  timeout: 240_000,
}, async () => {
  const chance = seeded(seed)
  const complaints: string[] = []
  let token = administrator.accessToken
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      for (let round = 0; round < ROUNDS; round++) {
        const shot = shotAt(
          path,
          method,
          operation,
          chance,
          chance() < 0.9 ? token : pick(chance, ['', 'x.y.z', token.slice(0, -2)]),
        )
        const send = () =>
          fetch(`${instance.url}${shot.target}`, {
            method: shot.method,
            headers: shot.headers,
            body: shot.body,
            redirect: 'manual',
          })
        const found = await complaint(operation, await send()).catch((error: unknown) => String(error))
        if (found !== undefined)
          complaints.push(`${shot.method} ${shot.target} ${shot.body?.slice(0, 300) ?? ''} → ${found}`)
      }
      // Some operations end the session that calls them.
      if ((await call(instance, 'GET', '/auth/validate', { token })).status !== 200)
        token = (await signIn(instance, administrator.email, administrator.password)).accessToken
    }
  }
  expect(complaints).toEqual([])
  expect((await instance.command(['dlq', 'list', '--json'])).stdout.trim()).toBe('[]')
})

const schemathesis = (() => {
  const wanted = process.env.SCHEMATHESIS
  try {
    return execFileSync('sh', ['-c', `command -v ${wanted ?? 'schemathesis'}`], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
})()

test.skipIf(schemathesis === undefined)(
  `schemathesis finds nothing${schemathesis ? '' : ' (skipped: no schemathesis)'}`,
  { timeout: 300_000 },
  async () => {
    const { accessToken } = await signIn(instance, administrator.email, administrator.password)
    const run = spawnSync(
      schemathesis ?? '',
      [
        'run',
        `${instance.url}/openapi.json`,
        '--url',
        instance.url,
        '-H',
        `Authorization: Bearer ${accessToken}`,
        '--checks',
        'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance',
        '--exclude-path-regex',
        '^/auth/(logout|logout-all|sessions)|^/metrics',
        '--phases',
        'examples,coverage,fuzzing',
        '--max-examples',
        '15',
        '--seed',
        '1',
        '--no-color',
      ],
      // It leaves its notes where it runs.
      { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, cwd: dirname(instance.dataDir) },
    )
    expect(`${run.stdout}${run.status === 0 ? '' : run.stderr}`.slice(-6_000)).toMatch(
      /No issues found|0 failures|passed/i,
    )
    expect(run.status).toBe(0)
  },
)
