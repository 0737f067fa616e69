import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { isE164, maskLastFour } from '../../core/e164.ts'
import { invalidParameter, ProxyError } from '../../core/errors.ts'
import { callRoutes } from './call-routes.ts'
import { isShortCode } from './carrier.ts'
import { accountOf, parseObject, presentRefusals, presentTime } from './control.ts'
import type { HandsetMessage } from './handsets.ts'
import type { Network, Text } from './network.ts'

const MAX_BODY_CHARACTERS = 1600
const MAX_MEDIA = 10

/**
 * What a person with a handset would do, for tests and demonstrations: text and call somebody, and see what came. Whoever
 * mounts it has authenticated the request. `resolve` finds an account's simulated carrier.
 */
export function simulatorRoutes(
  network: Network,
  resolve: (account_sid: string) => Promise<{ sid: string } | undefined>,
): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'string' }, async (_request: unknown, text: string) => text)
    presentRefusals(app)
    const schema = { hide: true }

    app.post('/messages', { schema }, async (request, reply) => {
      const text = parseText(request.body)
      const account_sid = accountOf(request)
      const carrier = await resolve(account_sid)
      if (!carrier) throw new ProxyError(20404, { resource: '/simulator' })
      const sid = await network.sendFromHandset({ sid: carrier.sid, account_sid }, text)
      return reply.code(202).send({ sid })
    })

    app.get('/handsets', { schema }, async (request) => ({ handsets: network.listHandsets(accountOf(request)) }))

    app.get('/handsets/:Number/messages', { schema }, async (request) => ({
      messages: network.messagesOf(accountOf(request), parseNumber(request)).map(presentMessage),
    }))

    app.delete('/handsets/:Number/messages', { schema }, async (request, reply) => {
      network.clearMessages(accountOf(request), parseNumber(request))
      return reply.code(204).send()
    })

    callRoutes(app, network, resolve)
  }
}

function parseNumber(request: FastifyRequest): string {
  const { Number: number } = request.params as { Number: string }
  if (isE164(number)) return number
  throw new ProxyError(20404, { resource: `/simulator/handsets/${maskLastFour(number)}/messages` })
}

function parseText(json: unknown): Text {
  const { from, to, body = '', media_urls = [] } = parseObject(json, 'from, to, and body or media_urls')
  if (typeof to !== 'string' || !(isE164(to) || isShortCode(to))) throw new ProxyError(21211)
  if (typeof from !== 'string' || !isE164(from)) {
    throw invalidParameter('from', 'Give a phone number with + and country code, as in +12025550123.')
  }
  if (typeof body !== 'string') throw invalidParameter('body', 'Give a text.')
  if (!Array.isArray(media_urls)) throw invalidParameter('media_urls', 'Give a list of URLs.')
  if (media_urls.length > MAX_MEDIA) throw new ProxyError(21623)
  if (!media_urls.every(isMediaUrl)) throw new ProxyError(21620)
  if (body === '' && media_urls.length === 0) throw new ProxyError(21602)
  if ([...body].length > MAX_BODY_CHARACTERS) throw new ProxyError(21617)
  return { from, to, body, media_urls }
}

const isMediaUrl = (value: unknown): value is string =>
  typeof value === 'string' && /^(https?:\/\/|data:)/i.test(value) && URL.canParse(value)

const presentMessage = ({ sid, direction, from, to, body, media_urls, date }: HandsetMessage) => ({
  sid,
  direction,
  from,
  to,
  body,
  media_urls,
  date: presentTime(date),
})
