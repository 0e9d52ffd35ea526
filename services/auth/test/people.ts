import { PASSWORD, type TestAuth } from './support.ts'

export type Person = { id: string; email: string; token: string; refreshToken: string; sessionId: string }

/** Somebody with the usual password who has these roles besides `user`, signed in. Stored directly: it is quicker. */
export const person = async (it: TestAuth, name: string, ...roles: string[]): Promise<Person> => {
  const email = `${name}@example.test`
  const [known] = await it.sql<{ password_hash: string }>('SELECT password_hash FROM credentials LIMIT 1')
  const id = known ? it.runtime.newId() : (await it.signUp(email, PASSWORD)).id
  const now = it.clock.now()
  if (known) {
    await it.sql(
      `WITH added AS (
        INSERT INTO users (id, email, email_verified_at, created_at, updated_at, version)
        VALUES ($1, $2, $3, $3, $3, 2) RETURNING id),
      proven AS (INSERT INTO credentials SELECT id, $4, $3 FROM added)
      INSERT INTO user_roles SELECT id, 'user' FROM added`,
      [id, email, now, known.password_hash],
    )
  }
  if (roles.length > 0) await it.sql('INSERT INTO user_roles SELECT $1, unnest($2::text[])', [id, roles])
  return { id, email, ...(await signedIn(it, email)) }
}

export const signedIn = async (it: TestAuth, email: string): Promise<Omit<Person, 'id' | 'email'>> => {
  const { accessToken: token, refreshToken, sessionId } = await it.signIn(email)
  return { token, refreshToken, sessionId }
}

/** A role of this name, made in the store. */
export const roleWith = async (it: TestAuth, name: string, ...permissions: string[]): Promise<void> => {
  await it.sql('INSERT INTO roles (name, created_at, updated_at) VALUES ($1, now(), now())', [name])
  await it.sql('INSERT INTO role_permissions SELECT $1, unnest($2::text[])', [name, permissions])
}

/** What an access token answers: status and code. */
export const standing = async (it: TestAuth, token: string): Promise<[number, string | undefined]> => {
  const { status, body } = await it.get('/auth/validate', token)
  return [status, body.code]
}

export const FINE: [number, undefined] = [200, undefined]
export const GONE: [number, string] = [401, 'access_token_invalid']
export const STALE: [number, string] = [401, 'access_token_stale']

/** Refreshes, and keeps the new pair; the new access token. */
export const refreshed = async (it: TestAuth, pair: { token: string; refreshToken: string }): Promise<string> => {
  const { status, body } = await it.post('/auth/refresh', { refreshToken: pair.refreshToken })
  if (status !== 200) throw new Error(`the refresh was refused: ${JSON.stringify(body)}`)
  Object.assign(pair, { token: body.accessToken, refreshToken: body.refreshToken })
  return pair.token
}
