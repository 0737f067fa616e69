import type { FastifyInstance } from 'fastify'
import { findHostedMedia } from '../core/media.ts'
import { isSid } from '../core/sid.ts'
import type { HttpContext } from './context.ts'

/** What a browser may show; the rest it is to save. */
const SHOWN = /^(image|audio|video)\/|^text\/plain$/

/** Attachments for carriers and handsets: whoever has the address may fetch it, until it expires. */
export async function mediaRoutes(app: FastifyInstance, context: HttpContext): Promise<void> {
  app.get('/:ServiceSid/:Token', { schema: { hide: true } }, async (request, reply) => {
    const { ServiceSid, Token } = request.params as { ServiceSid: string; Token: string }
    const known = isSid('KS', ServiceSid) && /^[0-9a-f]{32}$/.test(Token)
    const media = known ? await findHostedMedia(context.store, ServiceSid, Token) : undefined
    if (!media) return reply.code(404).send()
    return reply
      .headers({
        'Content-Type': media.content_type,
        'Content-Disposition': `${SHOWN.test(media.content_type) ? 'inline' : 'attachment'}; filename="${media.name}"`,
        'Cache-Control': 'private, no-store',
      })
      .send(media.bytes)
  })
}
