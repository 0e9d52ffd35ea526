/**
 * The peer: a Fastify and a pg pool as their documentation shows them, with nothing around the answer but the same
 * durable writes. Its tables are in a database of its own, in the cluster of the Ashlar that it is compared with.
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
  const payment = { transactionId: id, ...body, status: 'pending' }
  await transact(async (client) => {
    await client.query({
      name: 'key',
      text: 'INSERT INTO idempotency_keys (key, answer) VALUES ($1, $2)',
      values: [headers['idempotency-key'], JSON.stringify(payment)],
    })
    await client.query({
      name: 'payment',
      text: `INSERT INTO payments (id, amount_minor, currency, method, status) VALUES ($1, $2, $3, $4, 'pending')`,
      values: [id, Math.round(Number(body.amount) * 100), body.currency, body.method],
    })
    await client.query({
      name: 'event',
      text: 'INSERT INTO outbox (event_id, envelope) VALUES ($1, $2)',
      values: [randomUUID(), JSON.stringify({ type: 'payment.created', data: payment })],
    })
  })
  return reply.code(201).send(payment)
})

if (DATABASE_URL !== undefined) {
  await pool.query(`
    CREATE TABLE IF NOT EXISTS sessions (id uuid PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS refresh_tokens (
      token_hash bytea PRIMARY KEY, session_id uuid NOT NULL REFERENCES sessions (id), created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL, consumed_at timestamptz, successor_hash bytea);
    CREATE INDEX IF NOT EXISTS refresh_tokens_of_session ON refresh_tokens (session_id);
    CREATE TABLE IF NOT EXISTS idempotency_keys (key text PRIMARY KEY, answer jsonb NOT NULL);
    CREATE TABLE IF NOT EXISTS payments (
      id uuid PRIMARY KEY, amount_minor bigint NOT NULL, currency text NOT NULL, method text NOT NULL,
      status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE IF NOT EXISTS outbox (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL, envelope json NOT NULL)`)
}
await app.listen({ host: '127.0.0.1', port: Number(PORT) })
