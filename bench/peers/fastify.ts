/**
 * The peer: a Fastify and a pg pool as their documentation shows them, with prepared statements, and with nothing around
 * the answer but the same rows in one durable transaction: no sign-in, no check of a body, no log, no event that leaves,
 * no trail. Its tables are in a database of its own, in the cluster of the Ashlar that it is compared with.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import pg from 'pg'

const { PORT = '0', VALIDATE_BODY = '{}', DATABASE_URL } = process.env
const validateBody = JSON.parse(VALIDATE_BODY) as object
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 })
const app = Fastify()

const transact = async <T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const value = await work(client)
    await client.query('COMMIT')
    return value
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

const USER_ID = randomUUID()
const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()

app.get('/ready', async () => ({ ready: true }))
app.get('/auth/validate', async () => validateBody)

app.post<{ Body: { refreshToken: string } }>('/auth/refresh', async ({ body }) => {
  const presented = hashOf(body.refreshToken)
  const refreshToken = randomBytes(32).toString('base64url')
  const sessionId = await transact(async (client) => {
    const { rows } = await client.query<{ session_id: string }>({
      name: 'lock',
      text: `SELECT t.session_id FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
             WHERE t.token_hash = $1 AND t.consumed_at IS NULL FOR NO KEY UPDATE OF s`,
      values: [presented],
    })
    const id = rows[0]?.session_id
    if (id === undefined) throw new Error('unknown token')
    await client.query({
      name: 'consume',
      text: 'UPDATE refresh_tokens SET consumed_at = now(), successor_hash = $2 WHERE token_hash = $1',
      values: [presented, hashOf(refreshToken)],
    })
    await client.query({
      name: 'succeed',
      text: `INSERT INTO refresh_tokens (token_hash, session_id, created_at, expires_at)
             VALUES ($1, $2, now(), now() + interval '30 days')`,
      values: [hashOf(refreshToken), id],
    })
    return id
  })
  return { refreshToken, sessionId }
})

app.post<{ Body: Record<string, string> }>('/payments/create', async ({ body, headers }, reply) => {
  const id = randomUUID()
  const now = new Date()
  const payment = { transactionId: id, userId: USER_ID, ...body, status: 'pending', createdAt: now.toISOString() }
  const answer = JSON.stringify(payment)
  await transact(async (client) => {
    await client.query({
      name: 'key',
      text: `INSERT INTO idempotency_keys (scope, key, fingerprint, status, body) VALUES ($1, $2, $3, 201, $4)`,
      values: ['POST /payments/create', headers['idempotency-key'], hashOf(JSON.stringify(body)), answer],
    })
    await client.query({
      name: 'payment',
      text: `INSERT INTO payments (transaction_id, user_id, amount_minor, exponent, currency, method, status, metadata,
               created_at, updated_at) VALUES ($1, $2, $3, 2, $4, $5, 'pending', '{}', $6, $6)`,
      values: [id, USER_ID, Math.round(Number(body.amount) * 100), body.currency, body.method, now],
    })
    await client.query({
      name: 'event',
      text: 'INSERT INTO outbox (event_id, envelope) VALUES ($1, $2)',
      values: [randomUUID(), JSON.stringify({ type: 'payment.created', time: now.toISOString(), data: payment })],
    })
  })
  return reply.code(201).type('application/json; charset=utf-8').send(answer)
})

if (DATABASE_URL !== undefined) {
  await pool.query(`
    CREATE TABLE IF NOT EXISTS sessions (id uuid PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS refresh_tokens (
      token_hash bytea PRIMARY KEY, session_id uuid NOT NULL REFERENCES sessions (id), created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL, consumed_at timestamptz, successor_hash bytea);
    CREATE INDEX IF NOT EXISTS refresh_tokens_of_session ON refresh_tokens (session_id);
    CREATE TABLE IF NOT EXISTS idempotency_keys (
      scope text, key text, fingerprint bytea NOT NULL, status int NOT NULL, body text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (scope, key));
    CREATE INDEX IF NOT EXISTS idempotency_keys_by_age ON idempotency_keys (created_at);
    CREATE TABLE IF NOT EXISTS payments (
      transaction_id uuid PRIMARY KEY, user_id uuid NOT NULL, amount_minor bigint NOT NULL, exponent smallint NOT NULL,
      currency text NOT NULL, method text NOT NULL, status text NOT NULL, metadata jsonb NOT NULL,
      created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
    CREATE INDEX IF NOT EXISTS payments_of_user ON payments (user_id, created_at DESC, transaction_id DESC);
    CREATE TABLE IF NOT EXISTS outbox (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL, envelope json NOT NULL)`)
}
await app.listen({ host: '127.0.0.1', port: Number(PORT) })
