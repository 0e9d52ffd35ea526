/**
 * A text in SQL for the simple protocol, which has no parameters: as hex digits no content can end the literal.
 * U+0000, which no PostgreSQL text can hold, is refused by the server.
 */
export const textLiteral = (text: string): string =>
  `convert_from('\\x${Buffer.from(text, 'utf8').toString('hex')}'::bytea, 'UTF8')`
