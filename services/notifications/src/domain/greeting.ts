/**
 * A name as mails may greet with it, or null. Somebody who registers a stranger's address chooses the name in the
 * mail that the stranger gets: what could pass for an address, a link or a sentence is left out.
 */
export const greetingName = (name: string | null | undefined): string | null => {
  const clean = oneLine(name ?? '')
  if (clean === '' || clean.length > 60) return null
  return /[/\\@:<>{}]|www\.|\.\p{L}{2,}/iu.test(clean) ? null : clean
}

/** The text in one line: control characters and line separators become spaces (they would forge lines or headers). */
export const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029\s]+/gu, ' ').trim()
