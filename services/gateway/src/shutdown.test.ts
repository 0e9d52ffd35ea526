import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openRig, type Rig } from '../test/fixture.ts'

describe('shutdown', () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await openRig({ settings: { requestsPerMinute: 100_000 } })
  })
  afterEach(() => rig.close())

  const get = (path: string, agent?: http.Agent) =>
    new Promise<{ status: number; connection: string | undefined }>((resolve, reject) => {
      http
        .get({ host: '127.0.0.1', port: rig.port, path, agent }, (response) => {
          response.resume()
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, connection: response.headers.connection }),
          )
          response.on('error', reject)
        })
        .on('error', reject)
    })

  test('draining: not ready, still serving, and every answer closes its connection', async () => {
    rig.gateway.drain()
    expect((await get('/readyz')).status).toBe(503)
    expect(await get('/payments')).toEqual({ status: 200, connection: 'close' })
    expect((await get('/nothing')).connection).toBe('close')
  })

  test('an accepted request is answered, also when it began before the drain, and none is accepted after it', async () => {
    const slow = get('/payments/slow', new http.Agent({ keepAlive: true }))
    await rig.slow.waiting
    const closed = rig.gateway.close()
    await sleep(50)
    await expect(get('/payments')).rejects.toThrow(/ECONNREFUSED/)
    rig.slow.release()
    expect(await slow).toEqual({ status: 200, connection: 'close' })
    await closed
  })

  test('a request that is on its way in an idle connection while the server closes is answered', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    await get('/payments', agent)
    const closed = rig.gateway.close()
    await sleep(30)
    expect(await get('/payments', agent)).toEqual({ status: 200, connection: 'close' })
    await closed
  })

  test('idle connections do not hold the end up, and closing twice is one end', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const socket = net.connect(rig.port, '127.0.0.1')
        await new Promise((resolve) => socket.once('connect', resolve))
        return socket
      }),
    )
    const ended = sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve)))
    const began = performance.now()
    await Promise.all([rig.gateway.close(), rig.gateway.close()])
    await Promise.all(ended)
    expect(performance.now() - began).toBeLessThan(3_000)
  })

  test('under load every request that a service saw is answered, and nobody waits for the end in vain', async () => {
    let answered = 0
    const failures: (string | undefined)[] = []
    const client = async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      for (;;) {
        const failure = await get('/payments', agent).then(
          ({ status }) => (status === 200 ? undefined : String(status)),
          (error: NodeJS.ErrnoException) => error.code ?? 'unknown',
        )
        if (failure !== undefined) return void failures.push(failure)
        answered += 1
      }
    }
    const clients = Array.from({ length: 8 }, client)
    await sleep(150)
    await rig.gateway.close()
    await Promise.all(clients)
    expect(answered).toBe(rig.seen.length)
    expect(answered).toBeGreaterThan(20)
    // Nobody accepts any more: refused, or reset while still in the kernel's queue.
    expect(failures.filter((failure) => failure !== 'ECONNREFUSED' && failure !== 'ECONNRESET')).toEqual([])
  })
})
