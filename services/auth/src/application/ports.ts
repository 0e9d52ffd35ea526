import type { Result } from '@ashlar/kernel'
import type { NewEvent } from '@ashlar/platform/events'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Account, EndReason, Rights, SessionId, User, UserId } from '../domain/account.ts'
import type { EmailAddress } from '../domain/email.ts'
import type { RefreshTokenState } from '../domain/refresh-token.ts'

/** A secret that is handed out once and stored only as its SHA-256. */
export type OneTimeToken = { token: string; hash: Buffer }

/** What a registration claims until its link is used. */
export type Claim = { passwordHash: string; firstName: string | null; lastName: string | null }
export type NewRegistration = Claim & { userId: UserId; linkHash: Buffer; createdAt: Date; expiresAt: Date }
export type RenewedClaim = { userId: UserId; firstName: string | null }

export type NewSession = {
  id: SessionId
  userId: UserId
  amr: string[]
  authTime: Date
  ipAddress: string | null
  userAgent: string | null
  absoluteExpiresAt: Date
}
export type NewRefreshToken = { hash: Buffer; createdAt: Date; expiresAt: Date }

/** What an access token says of its session. */
export type SessionGrant = {
  sessionId: SessionId
  userId: UserId
  email: EmailAddress
  amr: string[]
  authTime: Date
  rightsVersion: number
} & Rights

/** What a client holds for one session. `issuedAt` is the moment from which the seconds on the wire are counted. */
export type TokenPair = {
  accessToken: string
  refreshToken: string
  refreshExpiresAt: Date
  issuedAt: Date
  sessionId: SessionId
}

/** A presented refresh token under the lock of its session. */
export type LockedRefreshToken = RefreshTokenState & {
  hash: Buffer
  predecessorHash: Buffer | null
  /** Of a consumed token: its successor, until the grace is over. */
  successorSealed: Buffer | null
  successorExpiresAt: Date | null
  grant: SessionGrant
}

export type EndedSession = { id: SessionId; userId: UserId }

/** Everything that a unit of work may write. Locks are taken in this order: user, then session, then its tokens. */
export type AuthTx = {
  users: {
    /** Adds an unverified user with the role `user`; false where the address is taken, waiting for whoever takes it now. */
    add(user: Pick<User, 'id' | 'email' | 'firstName' | 'lastName' | 'createdAt'>): Promise<boolean>
    lock(by: { id: UserId } | { email: EmailAddress }): Promise<User | undefined>
    /** Sees what the holder of the lock sees: read it after `lock`. */
    rights(id: UserId): Promise<Rights>
    /** Writes names, flags and times of a locked user as they are given. */
    update(user: User): Promise<void>
    /** False where the user has the role already. */
    grant(id: UserId, role: string): Promise<boolean>
  }
  credentials: {
    get(userId: UserId): Promise<string | undefined>
    set(userId: UserId, passwordHash: string, at: Date): Promise<void>
  }
  registrations: {
    /** Adds nothing for a user who is verified: the same statement runs for known and unknown addresses. */
    add(registration: NewRegistration): Promise<void>
    /** Copies the newest claim of an unverified address to a new link; one statement, whatever the address is. */
    renew(email: EmailAddress, link: Omit<NewRegistration, keyof Claim | 'userId'>): Promise<RenewedClaim | undefined>
    ownerOf(linkHash: Buffer): Promise<UserId | undefined>
    /** Takes the claim of a live link and drops every other one of its user, in one statement: it succeeds once. */
    consume(userId: UserId, linkHash: Buffer, now: Date): Promise<Claim | undefined>
    drop(userId: UserId): Promise<void>
  }
  resetTokens: {
    add(token: { hash: Buffer; userId: UserId; createdAt: Date; expiresAt: Date }): Promise<void>
    /** True once per live token; drops the user's other ones. */
    consume(userId: UserId, hash: Buffer, now: Date): Promise<boolean>
  }
  sessions: {
    open(session: NewSession, token: NewRefreshToken): Promise<void>
    /** Ends those that still run, and writes their revocations. */
    end(which: { userId: UserId; id?: SessionId }, reason: EndReason, now: Date): Promise<EndedSession[]>
    /** Asks the user's running sessions for a refresh: their rights have changed. */
    markStale(userId: UserId, now: Date): Promise<void>
  }
  refreshTokens: {
    lock(hash: Buffer): Promise<LockedRefreshToken | undefined>
    rotate(current: LockedRefreshToken, successor: NewRefreshToken & { sealed: Buffer }): Promise<void>
  }
  outbox: { append(...events: NewEvent[]): Promise<void> }
}

export type Work = UnitOfWork<AuthTx>

/** Where a user is signed in now, as he sees it. */
export type SessionView = {
  id: SessionId
  createdAt: Date
  lastUsedAt: Date
  expiresAt: Date
  ipAddress: string | null
  userAgent: string | null
}
export type SessionPosition = { createdAt: Date; id: string }

/** Reads outside of transactions. */
export type AccountReads = {
  find(id: UserId): Promise<Account | undefined>
  /** `passwordHash`: of the account, or of the newest registration while the address is unverified. */
  forLogin(email: EmailAddress): Promise<{ user: User; passwordHash: string | undefined } | undefined>
  ofResetToken(hash: Buffer, now: Date): Promise<User | undefined>
  sessions(userId: UserId, now: Date, page: { limit: number; after?: SessionPosition }): Promise<SessionView[]>
}

/** Slow on purpose, so in a bounded queue: beyond it `overloaded`, at once. Never call it inside a transaction. */
export type Passwords = {
  hash(password: string): Promise<Result<string, 'overloaded'>>
  /** Costs the same without a hash, and is then false. */
  verify(passwordHash: string | undefined, password: string): Promise<Result<boolean, 'overloaded'>>
}

export type OneTimeTokens = {
  make(): OneTimeToken
  hash(token: string): Buffer
  /** Readable only with `token` itself. */
  sealSuccessor(token: string, successor: OneTimeToken): Buffer
  openSuccessor(token: string, sealed: Buffer): string
}

export type AccessTokens = {
  /** Seconds that a token lives. */
  lifetimeSeconds: number
  issue(grant: SessionGrant, now: Date): Promise<string>
}

/** Encrypts what only the mailer may read. `sealId` is the row that the seal is bound to. */
export type SealMail = (content: { token?: string }) => { sealed: string; sealId: string }

/** The same identifier gives the same hash; without the key it cannot be tried out. */
export type HashIdentifier = (email: EmailAddress) => string

/** Runs `work` with this user as the actor of what it writes. */
export type AsUser = <T>(userId: UserId, work: () => T) => T

/** Durations of everything that ends. Milliseconds. */
export type Lifetimes = {
  refreshSlidingMs: number
  refreshAbsoluteMs: number
  refreshGraceMs: number
  verificationMs: number
  resetMs: number
}
