import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type Answer, ask } from '../test/ask.ts'
import { HUGE_BYTES } from '../test/fake-notifications.ts'
import { openRig, type Rig, type RigOptions } from '../test/fixture.ts'

const withRig = async (options: RigOptions, work: (rig: Rig) => Promise<void>) => {
  const rig = await openRig(options)
  try {
    await work(rig)
  } finally {
    await rig.close()
  }
}

type Timed = Answer & { tookMs: number }

/** Each of so many clients asks again as soon as it was answered, until it is told to stop. */
const load = (port: number, path: string, clients: number) => {
  const answers: Timed[] = []
  const agent = new http.Agent({ keepAlive: true, maxSockets: clients })
  let on = true
  const client = async () => {
    while (on) {
      const began = performance.now()
      const answer = await ask(port, path, { agent }).catch(() => undefined)
      if (!answer) return
      answers.push({ ...answer, tookMs: performance.now() - began })
      // Who is refused does not come back at once, or the load would be made of nothing else.
      if (answer.status === 503) await sleep(100)
    }
  }
  const done = Promise.all(Array.from({ length: clients }, client))
  return {
    answers,
    stop: async () => {
      on = false
      await done
      agent.destroy()
    },
  }
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0
const unlimited = { rateLimitEnabled: false }

describe('more requests than can be served', () => {
  test('a late event loop: some are refused quickly, the admitted are answered, payments and health go on', async () => {
    await withRig({ settings: { ...unlimited, shedDelayMs: 60 } }, async (rig) => {
      await expect.poll(async () => (await ask(rig.port, '/notifications/short')).status, { timeout: 10_000 }).toBe(200)
      const flood = load(rig.port, '/notifications/busy', 40)
      await expect.poll(() => flood.answers.some(({ status }) => status === 503), { timeout: 10_000 }).toBe(true)
      const payments: number[] = []
      for (let at = 0; at < 10; at += 1) {
        const [ready, health, payment] = await Promise.all(
          ['/readyz', '/livez', '/payments'].map((path) => ask(rig.port, path)),
        )
        expect([ready?.status, health?.status]).toEqual([200, 200])
        payments.push(payment?.status ?? 0)
        await sleep(50)
      }
      await flood.stop()
      const admitted = flood.answers.filter(({ status }) => status === 200)
      const refused = flood.answers.filter(({ status }) => status === 503)
      expect(admitted.length + refused.length).toBe(flood.answers.length)
      expect(payments.filter((status) => status === 200).length).toBeGreaterThanOrEqual(8)
      expect(admitted.length).toBeGreaterThan(20)
      for (const { code, headers } of refused) expect([code, headers['retry-after']]).toEqual(['overloaded', '2'])
      expect(median(admitted.map(({ tookMs }) => tookMs))).toBeLessThan(2_000)
      await expect.poll(async () => (await ask(rig.port, '/notifications/short')).status, { timeout: 10_000 }).toBe(200)
    })
  })

  test('too many at work: the rest are refused at once, payments later, health never', async () => {
    await withRig({ settings: { ...unlimited, shedInFlight: 3 } }, async (rig) => {
      const held = Array.from({ length: 3 }, () => ask(rig.port, '/payments/slow'))
      await rig.slow.waiting
      await expect.poll(async () => (await ask(rig.port, '/notifications/short')).code).toBe('overloaded')
      const later = Array.from({ length: 3 }, () => ask(rig.port, '/payments/slow'))
      await expect.poll(async () => (await ask(rig.port, '/payments')).code).toBe('overloaded')
      for (const path of ['/readyz', '/health', '/livez']) expect((await ask(rig.port, path)).status).toBe(200)
      rig.slow.release()
      for (const answer of await Promise.all([...held, ...later])) expect(answer.status).toBe(200)
      expect((await ask(rig.port, '/notifications/short')).status).toBe(200)
      expect((await ask(rig.port, '/metrics')).text).toContain('http_requests_in_flight{service="gateway"} 0')
    })
  })
})

describe('slow clients', () => {
  const open = (port: number, bytes: string) =>
    new Promise<net.Socket>((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.write(bytes)
        resolve(socket)
      })
      socket.once('error', reject)
    })

  test('two hundred that never finish a head or a body take no place of the others, and are cut', async () => {
    const settings = { ...unlimited, shedInFlight: 5, headersSeconds: 1, bodySeconds: 2 }
    await withRig({ settings }, async (rig) => {
      const head =
        'POST /payments/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n'
      const sockets = await Promise.all(
        Array.from({ length: 200 }, (_, at) => open(rig.port, at % 2 ? `${head}\r\n{` : head)),
      )
      let cut = 0
      for (const socket of sockets)
        socket
          .resume()
          .once('close', () => (cut += 1))
          .on('error', () => {})
      const drip = setInterval(() => {
        for (const socket of sockets) if (socket.writable) socket.write(' ')
      }, 100)
      const took: number[] = []
      while (cut < 200 && took.length < 400) {
        const began = performance.now()
        const { status } = await ask(rig.port, '/notifications/short')
        took.push(performance.now() - began)
        expect(status).toBe(200)
        await sleep(15)
      }
      clearInterval(drip)
      expect(cut).toBe(200)
      expect(median(took)).toBeLessThan(250)
    })
  })

  test('one who reads nothing of a long answer is cut, and the service behind is freed', async () => {
    await withRig({ settings: { ...unlimited, stallSeconds: 1 } }, async (rig) => {
      const socket = await open(rig.port, 'GET /notifications/huge HTTP/1.1\r\nHost: localhost\r\n\r\n')
      socket.pause()
      await expect.poll(() => rig.streams.closed, { timeout: 8_000 }).toBe(1)
      socket.destroy()
    })
  })

  test('one who reads slowly but goes on gets all of it, and a service may take its time', async () => {
    await withRig({ settings: { ...unlimited, stallSeconds: 1 } }, async (rig) => {
      const waiting = ask(rig.port, '/payments/slow')
      await rig.slow.waiting
      const socket = await open(
        rig.port,
        'GET /notifications/huge HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      )
      let bytes = 0
      let pauses = 0
      socket.on('data', (piece) => {
        bytes += piece.length
        if (bytes < (pauses + 1) * (HUGE_BYTES / 6)) return
        pauses += 1
        socket.pause()
        setTimeout(() => socket.resume(), 350)
      })
      await new Promise((resolve) => socket.once('close', resolve))
      expect(pauses).toBeGreaterThan(4)
      expect(bytes).toBeGreaterThan(HUGE_BYTES)
      rig.slow.release()
      expect((await waiting).status).toBe(200)
    })
  })

  test('one address holds no more connections than it may, and gets back what it gives up', async () => {
    await withRig({ settings: { ...unlimited, connectionsPerAddress: 5 } }, async (rig) => {
      const sockets = await Promise.all(Array.from({ length: 8 }, () => open(rig.port, 'GET / HTTP/1.1\r\n')))
      for (const socket of sockets) socket.on('error', () => {})
      await expect.poll(() => sockets.filter(({ closed }) => closed).length).toBe(3)
      await expect(ask(rig.port, '/livez')).rejects.toThrow(/ECONNRESET|hang up/)
      for (const socket of sockets) socket.destroy()
      await expect
        .poll(() =>
          ask(rig.port, '/livez').then(
            ({ status }) => status,
            () => 0,
          ),
        )
        .toBe(200)
    })
    await withRig(
      { settings: { ...unlimited, connectionsPerAddress: 1, trustedProxies: ['127.0.0.1'] } },
      async (rig) => {
        const answers = await Promise.all(Array.from({ length: 6 }, () => ask(rig.port, '/payments')))
        expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
      },
    )
  })
})

describe('while nothing may be changed', () => {
  test('writes are refused, reads and health answered, and pages say so in their own words', async () => {
    let strict = true
    await withRig({ refuseWrites: () => strict }, async (rig) => {
      const before = rig.seen.length
      for (const [method, path] of [
        ['POST', '/payments/create'],
        ['PUT', '/users/1/roles'],
        ['DELETE', '/payments/1'],
        ['PATCH', '/auth/profile'],
        ['POST', '/payments/webhooks/sandbox'],
      ] as const) {
        const { status, code, headers } = await ask(rig.port, path, { method })
        expect([method, status, code]).toEqual([method, 503, 'dependency_unavailable'])
        expect(headers['retry-after']).toMatch(/^\d+$/)
      }
      expect(rig.seen.length).toBe(before)
      for (const path of ['/payments', '/health', '/readyz', '/']) expect((await ask(rig.port, path)).status).toBe(200)
      const form = {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'token=fresh',
      }
      const page = await ask(rig.port, '/verify-email', form)
      expect([page.status, page.headers['content-type']]).toEqual([503, 'text/html; charset=utf-8'])
      expect(page.text).toContain('try again')
      expect(rig.links).toEqual([])
      strict = false
      expect((await ask(rig.port, '/verify-email', form)).status).toBe(200)
    })
  })
})
