import type { Result } from '@ashlar/kernel'
import type { NewEvent } from '@ashlar/platform/events'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Account, EndReason, Rights, SessionId, User, UserId } from '../domain/account.ts'
import type { EmailAddress } from '../domain/email.ts'
import type { PasswordRefused, Person } from '../domain/password.ts'
import type { RefreshTokenState } from '../domain/refresh-token.ts'
import type { Role } from '../domain/rights.ts'
import type { KeyTimes } from '../domain/signing-key.ts'

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

/** A key pair whose private part only this Ashlar can open. */
export type NewSigningKey = { kid: string; publicJwk: Record<string, unknown>; privateSealed: Buffer }
export type MakeSigningKey = () => Promise<NewSigningKey>

export type EndedSession = { id: SessionId; userId: UserId }

/** Everything that a unit of work may write. Locks are taken in this order: user, then session, then its tokens. */
export type AuthTx = {
  users: {
    /** Adds an unverified user with the role `user`; false where the address is taken, waiting for whoever takes it now. */
    add(user: Pick<User, 'id' | 'email' | 'firstName' | 'lastName' | 'createdAt'>): Promise<boolean>
    lock(by: { id: UserId } | { email: EmailAddress }): Promise<User | undefined>
    /** A locked user with everything that a sign-in needs, in one round trip; undefined without a password. */
    lockWithPassword(id: UserId): Promise<{ user: Account; passwordHash: string } | undefined>
    /** Several at once without the danger of waiting crosswise. Those that do not exist are left out. */
    lockAll(ids: readonly UserId[]): Promise<User[]>
    /** Sees what the holder of the lock sees: read it after `lock`. */
    rights(id: UserId): Promise<Rights>
    /** Writes names, flags and times of a locked user as they are given. */
    update(user: User): Promise<void>
    /** False where the user has the role already. */
    grant(id: UserId, role: string): Promise<boolean>
    /** Exactly these, which are held by `roles.hold`. */
    setRoles(id: UserId, roles: readonly string[]): Promise<void>
    /** Everything that is stored about a locked user; revocations of his sessions stay. */
    remove(id: UserId): Promise<void>
  }
  roles: {
    /** For a change, or for a removal, which waits for everybody who is just assigning it. */
    lock(name: string, purpose: 'change' | 'removal'): Promise<Role | undefined>
    /** Those that exist; none of them is removed before this transaction ends. */
    hold(names: readonly string[]): Promise<Role[]>
    /** False where the name is taken. */
    add(role: Pick<Role, 'name' | 'permissions'>, now: Date): Promise<boolean>
    /** Gives a locked role these permissions; access tokens of its holders are stale at the commit. */
    change(name: string, permissions: readonly string[], now: Date): Promise<void>
    /** Takes a locked role from its holders, whose access tokens are stale at the commit, and removes it. */
    remove(name: string, now: Date): Promise<void>
    /** The room that the permissions of its heaviest holder would take in a token; see `sizeOf`. */
    heaviestHolder(name: string, permissions: readonly string[]): Promise<number>
    /** Active, verified holders of `admin` besides this user. Whoever asks is the only one to ask until he commits. */
    otherAdministrators(userId: UserId): Promise<number>
  }
  credentials: {
    get(userId: UserId): Promise<string | undefined>
    set(userId: UserId, passwordHash: string, at: Date): Promise<void>
    /** Another hash of the same password: nothing changed for anybody. */
    rehash(userId: UserId, passwordHash: string): Promise<void>
    /** From now on a failed sign-in costs a check of this kind too; false where there are too many kinds already. */
    addKind(prefix: string, at: Date): Promise<boolean>
  }
  addressRequests: {
    /** Kept with the execution context that asked. */
    add(request: AddressRequest, at: Date): Promise<void>
    /** Answers it once, whoever asks; undefined while another transaction has it. */
    take(id: string): Promise<AddressRequest | undefined>
  }
  mailedLinks: {
    /** Counts a mail unless the address had too many; exact while the lock of its user is held. */
    admit(link: { addressHash: string; kind: LinkKind }, at: Date, limits: LinkLimits): Promise<boolean>
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
    drop(userId: UserId): Promise<void>
    /** True once per live token; drops the user's other ones. */
    consume(userId: UserId, hash: Buffer, now: Date): Promise<boolean>
  }
  sessions: {
    /** At the latest with the commit. */
    open(session: NewSession, token: NewRefreshToken): Promise<void>
    /** Ends those that still run, and writes their revocations. */
    end(
      which: { userId: UserId; id?: SessionId; except?: SessionId },
      reason: EndReason,
      now: Date,
    ): Promise<EndedSession[]>
    /** Asks the user's running sessions for a refresh: their rights have changed. */
    markStale(userId: UserId, now: Date): Promise<void>
  }
  refreshTokens: {
    lock(hash: Buffer): Promise<LockedRefreshToken | undefined>
    rotate(current: LockedRefreshToken, successor: NewRefreshToken & { sealed: Buffer }): Promise<void>
  }
  signingKeys: {
    /** The one that signs last. Nobody else rotates before this transaction ends. */
    lockNewest(): Promise<KeyTimes | undefined>
    add(key: NewSigningKey & KeyTimes): Promise<void>
    /** Sets until when a key is published. */
    expire(kid: string, at: Date): Promise<void>
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

/** Where a list of people or roles goes on: after the one that was made then and has this id or name. */
export type ListPosition = { createdAt: Date; key: string }
/** `email`: a whole address, or the beginning of one. */
export type UserFilter = { email?: { is: EmailAddress } | { beginsWith: string }; role?: string; isActive?: boolean }

/** Reads outside of transactions. */
export type AccountReads = {
  find(id: UserId): Promise<Account | undefined>
  /** Newest first. */
  users(filter: UserFilter, page: { limit: number; after?: ListPosition }): Promise<Account[]>
  roles(page: { limit: number; after?: ListPosition }): Promise<Role[]>
  /** `passwordHash`: of the account, or of the newest registration while the address is unverified. */
  forLogin(email: EmailAddress): Promise<{ user: User; passwordHash: string | undefined } | undefined>
  forPasswordChange(id: UserId): Promise<{ user: User; passwordHash: string } | undefined>
  ofResetToken(hash: Buffer, now: Date): Promise<User | undefined>
  sessions(userId: UserId, now: Date, page: { limit: number; after?: SessionPosition }): Promise<SessionView[]>
}

/** Slow on purpose, so in a bounded queue: beyond it `overloaded`, at once. Never call it inside a transaction. */
export type Passwords = {
  /** Refuses at once what `hash` and `verify` would refuse now, so that nothing else is done for it before. */
  admit(): Result<void, 'overloaded'>
  hash(password: string): Promise<Result<string, 'overloaded'>>
  /** A wrong password costs the same for every kind of hash and without one. */
  verify(passwordHash: string | undefined, password: string): Promise<Result<boolean, 'overloaded'>>
  /** A hash of a kind that is weaker than what `hash` makes: to be replaced when its password is at hand. */
  isWeak(passwordHash: string): boolean
}

/** Why a new password must not be used; undefined: it may. */
export type RefusePassword = (password: string, person: Person) => Promise<PasswordRefused | undefined>

export type RateLimited = { code: 'rate_limited'; retryAfterSeconds: number }

/**
 * Lets a secret of this identifier be tried, unless too many wrong ones came from that network. `credentials_invalid`
 * is a wrong try, success forgives the earlier ones, and everything else is no try at all.
 */
export type GuardSecret = <V, E extends string | { code: string }>(
  about: { email: EmailAddress; ip: string | null },
  attempt: () => Promise<Result<V, E>>,
) => Promise<Result<V, E | RateLimited>>

/** Forgets the wrong tries of an identifier from a network: its owner has proved himself in another way. */
export type ForgiveGuesses = (about: { email: EmailAddress; ip: string | null }) => void

/** Work that takes at least a fixed time, so that its length says nothing of what was found. */
export type EvenTime = <T>(work: () => Promise<T>) => Promise<T>

/** What is mailed to an address without its owner having proved himself, each kind with a count of its own. */
export type LinkKind = 'verify-email' | 'email-already-registered' | 'password-reset'
export type LinkLimits = { enabled: boolean; short: { count: number; ms: number }; long: { count: number; ms: number } }

/** What somebody asked for an address; nobody has looked yet whether it has an account. */
export type AddressRequest = { kind: 'password_forgot' | 'verification_resend'; email: EmailAddress }

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
  /** Of a set-up token, which the operator hands over. */
  resetMs: number
  /** Of a link that was mailed to whoever forgot his password. */
  forgotMs: number
}
