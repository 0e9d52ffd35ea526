import { createContext, Script } from 'node:vm'

/** Runs synchronous work that is ended by force after `maxMs`: a template that loops must not stop the process. */
export const createTimeLimit = (maxMs: number): (<T>(work: () => T) => T) => {
  const script = new Script('work()')
  const sandbox: { work: () => void } = { work: () => undefined }
  const context = createContext(sandbox)
  return <T>(work: () => T): T => {
    let result: { value: T } | undefined
    sandbox.work = () => {
      result = { value: work() }
    }
    try {
      script.runInContext(context, { timeout: maxMs })
    } finally {
      sandbox.work = () => undefined
    }
    if (!result) throw new Error('the work gave no result')
    return result.value
  }
}
