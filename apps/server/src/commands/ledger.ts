import { answer, type Command, EXIT, Misuse, withProgress } from './command.ts'
import { withAshlar } from './session.ts'

export const ledger: Command = {
  summary: 'verify that no money is missing from the books',
  usage: ['ashlar ledger verify [--json]'],
  about: `Checks that the postings of each currency sum to zero, that none was altered, that they tell the same
as the payments and refunds do, and that the provider's own record agrees where it offers one. Names the
first thing that is wrong: exit code 1.`,
  run: async (io, args) => {
    if (args.positionals[0] !== 'verify') throw new Misuse('ledger takes verify')
    return withAshlar(io, async ({ payments }) => {
      let checked = 0
      const verdict = await withProgress(
        io,
        () => `verifying, ${checked} checked`,
        () =>
          payments.verifyLedger((count) => {
            checked = count
          }),
      )
      const { balanced, currencies, postings, firstBad } = verdict
      answer(io, args, verdict, () => [
        ...currencies.map(
          ({ currency, debit, credit, atProvider: { ledger: ours, record } }) =>
            `${currency}: debit ${debit}, credit ${credit}; at the provider ${ours}${record === null ? '' : `, by its own record ${record}`}`,
        ),
        firstBad === null
          ? `${verdict.checked} payments and ${postings} postings checked: the books are ${balanced ? 'whole' : 'NOT BALANCED'}`
          : `BAD at payment ${firstBad.transactionId}: ${firstBad.reason}: ${firstBad.detail}`,
      ])
      return balanced && firstBad === null ? EXIT.done : EXIT.notSo
    })
  },
}
