import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Something that a running Ashlar noticed about its surroundings and that an operator should mend. */
export type Finding = { code: string; detail: string; at: string }

const fileOf = (dataDir: string): string => join(dataDir, 'findings.ndjson')

/** Keeps each code once per start, so that the file stays small whatever arrives from outside. */
export const createFindings = (dataDir: string, onError: (error: unknown) => void) => {
  const seen = new Set<string>()
  return (finding: { code: string; detail: string }): void => {
    if (seen.has(finding.code)) return
    seen.add(finding.code)
    const line = JSON.stringify({ ...finding, at: new Date().toISOString() } satisfies Finding)
    appendFile(fileOf(dataDir), `${line}\n`, { mode: 0o600 }).catch(onError)
  }
}

/** The newest finding of each code. */
export const readFindings = async (dataDir: string): Promise<Finding[]> => {
  const text = await readFile(fileOf(dataDir), 'utf8').catch(() => '')
  const newest = new Map<string, Finding>()
  for (const line of text.split('\n').filter(Boolean)) {
    const finding = JSON.parse(line) as Finding
    newest.set(finding.code, finding)
  }
  return [...newest.values()]
}
