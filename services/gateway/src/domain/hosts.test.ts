import { describe, expect, test } from 'vitest'
import { createHostGuard, loopbackHosts } from './hosts.ts'

describe('host guard', () => {
  const publicUrl = 'https://api.example.com'

  test('by default the host of the public URL, alone', () => {
    const guard = createHostGuard({ publicUrl, allowed: [], loopback: false })
    for (const host of ['api.example.com', 'API.example.com', 'api.example.com:443'])
      expect([host, guard(host)]).toEqual([host, true])
    for (const host of ['example.com', 'api.example.com.evil', 'api.example.com:8080', 'localhost', '', undefined]) {
      expect([host, guard(host)]).toEqual([host, false])
    }
  })

  test('a public URL with a port means that port', () => {
    const guard = createHostGuard({ publicUrl: 'http://api.example.com:3000', allowed: [], loopback: false })
    expect([guard('api.example.com:3000'), guard('api.example.com'), guard('api.example.com:3001')]).toEqual([
      true,
      false,
      false,
    ])
  })

  test('a list takes its place', () => {
    const guard = createHostGuard({
      publicUrl,
      allowed: ['one.example', 'two.example:81', 'three.example:*'],
      loopback: false,
    })
    expect(['one.example', 'two.example:81', 'three.example', 'three.example:9'].every(guard)).toBe(true)
    expect(['api.example.com', 'two.example', 'one.example:81', 'x.three.example:9'].some(guard)).toBe(false)
  })

  test('for development the names of this machine with any port', () => {
    const guard = createHostGuard({ publicUrl, allowed: [], loopback: true })
    expect(['localhost', 'LOCALHOST:1', '127.0.0.1:3000', '[::1]:3000', 'api.example.com'].every(guard)).toBe(true)
    expect(['127.0.0.2', 'localhost.evil', 'localhost:', 'localhost:x', 'a@localhost', '[::2]'].some(guard)).toBe(false)
  })

  test('an entry that is no host is refused at the start', () => {
    expect(() => createHostGuard({ publicUrl, allowed: ['https://x.example/'], loopback: false })).toThrow(/is no host/)
  })

  test('the management port knows this machine alone', () => {
    expect(['localhost:3010', '127.0.0.1', '[::1]:1'].every(loopbackHosts)).toBe(true)
    expect(['evil.example', undefined].some(loopbackHosts)).toBe(false)
  })
})
