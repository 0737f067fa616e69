import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { statusParameters } from '../callbacks/parameters.ts'
import { findToldInteraction } from '../core/callback-records.ts'
import { mediaUrls } from '../core/interactions.ts'
import { HIDDEN } from './api/mask.ts'
import { OneOf, Plain } from './api/present.ts'
import { notFound, route } from './api/route.ts'
import { getCallback } from './callbacks.ts'
import type { HttpContext } from './context.ts'

const RequestBody = Type.Object({
  url: Plain,
  method: OneOf(['POST']),
  parameters: Type.Array(Type.Object({ name: Plain, value: Plain })),
})

/** What holds nothing of anybody, by its name. Where attachments lie, whoever has the address can fetch them. */
const HARMLESS = /(Sid|Status|Type|Date(Created|Updated)|NumMedia|ResourceUrl)$/

/**
 * What a status callback says. The statuses are those of the moment it is about; all else is read from the interaction
 * whenever it is told, so this is what its application is told by the next attempt, and was by the last one unless the
 * interaction has changed since.
 */
export function callbackRequestRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  route(
    app,
    'GET',
    '/Callbacks/:CallbackSid/Request',
    {
      ...{ summary: 'Show what a status callback says', id: 'FetchCallbackRequest' },
      ...{ scope: 'callbacks:read', answer: RequestBody },
    },
    async (request) => {
      const callback = await getCallback(context, request)
      const interaction = await findToldInteraction(store, callback)
      if (!interaction) throw notFound(request)
      const opened = { data: interaction.data, media_urls: await mediaUrls(store, interaction) }
      const sees = request.caller.scopes.has('pii')
      const parameters = statusParameters(interaction, callback, opened).map(([name, value]) => ({
        name,
        value: sees || HARMLESS.test(name) ? value : HIDDEN,
      }))
      return { url: callback.url, method: 'POST', parameters }
    },
  )
}
