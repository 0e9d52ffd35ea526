import { describe, expect, test } from 'vitest'
import { ifMatch } from './index.ts'

const asked = (condition: string | undefined, etag = '"7"'): boolean => ifMatch({ 'if-match': condition }, etag)

describe('If-Match', () => {
  test.each([undefined, '*', ' * ', '"7"', '"6", "7"', '"6","7" , "8"', '"a,b", "7"'])(
    '%s lets a write go on',
    (condition) => {
      expect(asked(condition)).toBe(true)
    },
  )

  test.each(['', '"8"', 'W/"7"', '"6", W/"7"', '7', '"7', '"7"x', 'x"7"', '"6" "7"', '*, "7x"', '"\\"7"', '"6,"7"'])(
    '%s stops it',
    (condition) => {
      expect(asked(condition)).toBe(false)
    },
  )

  test('a weak tag never matches, not even itself; a tag may hold a comma', () => {
    expect(asked('W/"7"', 'W/"7"')).toBe(false)
    expect(asked('"x", "a,b"', '"a,b"')).toBe(true)
    expect(asked('"a', '"a,b"')).toBe(false)
  })
})
