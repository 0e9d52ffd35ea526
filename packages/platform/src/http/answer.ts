import { type Err, type Ok, ok } from '@ashlar/kernel'
import type { HttpResponse } from './types.ts'

/** Turns the outcome of a use case into an answer; a refusal passes through. */
export const answer = <V, F extends Err<unknown> = never>(
  result: Ok<V> | F,
  respond: (value: V) => HttpResponse,
): Ok<HttpResponse> | F => (result.ok ? ok(respond(result.value)) : result)

const FINAL = Symbol('final body')
type Final = { [FINAL]?: Buffer }

/** An answer whose bytes are settled, e.g. one that is replayed: it is sent as it is. */
export const finalResponse = (status: number, headers: Record<string, string>, body: Buffer): HttpResponse => {
  const response: HttpResponse & Final = { status, headers, [FINAL]: body }
  return response
}

export const finalBody = (response: HttpResponse): Buffer | undefined => (response as Final)[FINAL]
