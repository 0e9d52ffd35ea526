import type { Logger } from '@ashlar/platform/telemetry'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { FollowMailLink } from '../application/commands/follow-mail-link.ts'
import type { Passport } from '../application/ports.ts'
import type { Page } from './pages/layout.ts'
import { type MailLink, mailLinkDonePage, mailLinkPage, mailLinkTroublePage } from './pages/mail-link.ts'

const FORM_BYTES = 8 * 1024
/** The shape of every token that a link of ours carries, with room to spare. */
const TOKEN = /^[\x21-\x7e]{1,1024}$/

const TROUBLE = {
  incomplete: 'This link is not complete. Open it again from the mail, or copy the whole address.',
  invalid: 'This link is no longer valid: it was used, has expired, or a newer one took its place. Ask for a new one.',
  later: 'This did not work just now. The link is still good: please try again in a moment.',
  form: 'This page takes only its own form.',
} as const

type Deps = {
  links: readonly MailLink[]
  follow: FollowMailLink
  passportOf(request: FastifyRequest): Passport
  log: Logger
}

/** The pages behind the links in mails: GET shows a form, POST of that form acts, and each answer is a page. */
export const mailLinkRoutes =
  ({ links, follow, passportOf, log }: Deps) =>
  async (fastify: FastifyInstance): Promise<void> => {
    fastify.removeAllContentTypeParsers()
    fastify.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: FORM_BYTES },
      (_request, body, done) => done(null, new URLSearchParams(body as string)),
    )

    for (const link of links) {
      const trouble = (reply: FastifyReply, request: FastifyRequest, status: number, text: string) =>
        show(reply, status, mailLinkTroublePage(link, text, passportOf(request).requestId))
      const failed = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
        const status = (error as { statusCode?: number }).statusCode ?? 500
        const ours = status >= 500
        if (ours)
          log.error(
            { err: error, correlationId: passportOf(request).requestId, route: link.path },
            'a mail link failed',
          )
        void trouble(reply, request, ours ? 503 : status, ours ? TROUBLE.later : TROUBLE.form)
      }

      fastify.get<{ Querystring: { token?: string | string[] } }>(
        link.path,
        { errorHandler: failed },
        (request, reply) => {
          const { token } = request.query
          if (typeof token !== 'string' || !TOKEN.test(token)) return trouble(reply, request, 400, TROUBLE.incomplete)
          return show(reply, 200, mailLinkPage(link, token))
        },
      )

      fastify.post<{ Body: URLSearchParams | undefined }>(
        link.path,
        { errorHandler: failed },
        async (request, reply) => {
          const token = request.body?.get('token') ?? ''
          if (!TOKEN.test(token)) return trouble(reply, request, 400, TROUBLE.incomplete)
          const newPassword = link.password ? (request.body?.get('newPassword') ?? '') : undefined
          const result = await follow({ path: link.path, token, newPassword, passport: passportOf(request) })
          if (result.ok) return show(reply, 200, mailLinkDonePage(link))
          const { reason, complaints, status } = result.error
          if (reason === 'weak') return show(reply, status, mailLinkPage(link, token, complaints))
          return trouble(reply, request, reason === 'later' ? 503 : 400, TROUBLE[reason])
        },
      )
    }
  }

const show = (reply: FastifyReply, status: number, { headers, body }: Page): FastifyReply =>
  reply.code(status).headers(headers).send(body)
