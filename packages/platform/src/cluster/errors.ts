/** No embedded PostgreSQL can run here. The message says what to do instead; a program exits with 78. */
export class ClusterUnavailable extends Error {
  override name = 'ClusterUnavailable'

  constructor(reason: string) {
    super(
      `The embedded PostgreSQL cannot run here: ${reason}. Point the ASHLAR_*_DATABASE_URL variables at a PostgreSQL server, or start Ashlar as an ordinary user.`,
    )
  }
}

/** Another process holds the data directory. */
export class DataDirInUse extends Error {
  override name = 'DataDirInUse'
  readonly pid: number

  constructor(dataDir: string, pid: number) {
    super(`The data directory ${dataDir} is in use by process ${pid}.`)
    this.pid = pid
  }
}

/** The server ended before it could be used. `output` is what it wrote to its log meanwhile. */
export class StartFailed extends Error {
  override name = 'StartFailed'
  readonly output: string

  constructor(reason: string, output: string) {
    super(`PostgreSQL did not start (${reason})${output === '' ? '' : `: ${output}`}`)
    this.output = output
  }

  get portTaken(): boolean {
    return /could not bind|could not create any TCP\/IP sockets/.test(this.output)
  }

  /** Something of an earlier server still lives, or its pid does under another program. */
  get earlierServer(): boolean {
    return /pre-existing shared memory block|lock file "postmaster.pid"/.test(this.output)
  }
}
