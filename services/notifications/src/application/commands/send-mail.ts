import { err, type NewId, ok, type Result } from '@ashlar/kernel'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import { addressKey, isSingleAddress } from '../../domain/address.ts'
import { flawsOf, type Variables } from '../../domain/template.ts'
import { mayBeSentByHand } from '../../domain/templates/built-in.ts'
import type { Repositories } from '../ports.ts'
import type { QueueMail } from './queue-mail.ts'

/** A place in the request, and what is wrong there. */
export type OrderFlaw = { pointer: string; code: string; detail: string }

export type SendMail = (input: {
  template: string
  to: string
  variables: Variables
}) => Promise<Result<{ id: string; status: 'queued' | 'suppressed' }, OrderFlaw[]>>

type Deps = {
  unitOfWork: UnitOfWork<Pick<Repositories, 'notifications' | 'templates' | 'contacts'>>
  queue: QueueMail
  newId: NewId
}

/** Queues one mail that somebody asks for, from the newest version of a template. Refuses with what is wrong in the request. */
export const sendMail =
  ({ unitOfWork, queue, newId }: Deps): SendMail =>
  ({ template, to, variables }) =>
    unitOfWork(async (tx) => {
      if (!isSingleAddress(to)) return err([ADDRESS_FLAW])
      const latest = await tx.templates.latestNeeds(template)
      if (!latest) return err([templateFlaw('unknown', 'There is no template of this name.')])
      if (!mayBeSentByHand(template))
        return err([templateFlaw('reserved', 'Only a sign-in or registration sends this.')])
      const flaws = flawsOf(latest.needs, variables)
      if (flaws.length > 0) return err(flaws.map(({ name, code }) => variableFlaw(name, code)))

      const userId = (await tx.contacts.userOf(addressKey(to))) ?? null
      const order = { triggerId: newId(), template, templateVersion: latest.version, to, userId, variables }
      const queued = await queue(tx, order)
      return ok({ id: queued.id, status: queued.outcome === 'suppressed' ? 'suppressed' : 'queued' })
    })

const ADDRESS_FLAW: OrderFlaw = { pointer: '/to', code: 'not_an_address', detail: 'must be exactly one e-mail address' }

const templateFlaw = (code: string, detail: string): OrderFlaw => ({ pointer: '/template', code, detail })

const variableFlaw = (name: string, code: 'required' | 'unknown_field'): OrderFlaw => ({
  pointer: `/variables/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
  code,
  detail: code === 'required' ? 'The template needs this variable.' : 'The template has no such variable.',
})
