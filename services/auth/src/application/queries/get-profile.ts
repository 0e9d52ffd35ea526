import { err, ok, type Result } from '@ashlar/kernel'
import type { Account, UserId } from '../../domain/account.ts'
import type { AccountReads } from '../ports.ts'

/** The account as the store knows it now, which may be newer than the caller's token. Refuses with `not_found`. */
export const getProfile =
  ({ accounts }: { accounts: Pick<AccountReads, 'find'> }) =>
  async ({ userId }: { userId: UserId }): Promise<Result<Account, 'not_found'>> => {
    const account = await accounts.find(userId)
    return account ? ok(account) : err('not_found')
  }
