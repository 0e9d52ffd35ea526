import { expect, test } from 'vitest'
import { csvCell, exportFormats } from './export-formats.ts'

test.each([
  ['=1+1', "'=1+1"],
  ['+1', "'+1"],
  ['-1', "'-1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\tx', "'\tx"],
  ['\rx', `"'\rx"`],
  ['\nx', `"'\nx"`],
  ['  =1', "'  =1"],
  ['＝1', "'＝1"],
  ['=HYPERLINK("http://x","y")', `"'=HYPERLINK(""http://x"",""y"")"`],
  ['a,b', '"a,b"'],
  ['say "x"', '"say ""x"""'],
  ['two\r\nlines', '"two\r\nlines"'],
  ['plain', 'plain'],
  ['a=b', 'a=b'],
  [12, '12'],
  [null, ''],
  [undefined, ''],
])('the cell of %j is %j', (value, cell) => {
  expect(csvCell(value)).toBe(cell)
})

test('the header row names every column once', () => {
  const columns = exportFormats.csv.head.trimEnd().split(',')
  expect(columns).toContain('entityId')
  expect(new Set(columns).size).toBe(columns.length)
  expect(exportFormats.csv.head.endsWith('\r\n')).toBe(true)
})
