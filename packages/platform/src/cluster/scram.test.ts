import { expect, test } from 'vitest'
import { matchesVerifier, scramVerifier } from './scram.ts'

test('the verifier of RFC 7677’s example holds its keys', async () => {
  // Section 3: user "user", password "pencil", 4096 iterations; PostgreSQL writes both keys after the salt.
  const verifier = await scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'))
  expect(verifier).toBe(
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  )
})

test('a verifier is recognised by its password alone', async () => {
  const verifier = await scramVerifier('a "word" with $ signs')
  expect(await matchesVerifier('a "word" with $ signs', verifier)).toBe(true)
  expect(await matchesVerifier('another', verifier)).toBe(false)
  expect(await matchesVerifier('another', null)).toBe(false)
  expect(await matchesVerifier('md5…', 'md5d41d8cd98f00b204e9800998ecf8427e')).toBe(false)
})
