import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { audit } from '../core/audit.ts'
import { parseForm } from './api/form.ts'
import { getInteraction } from './api/interactions.ts'
import { getParticipant } from './api/participants.ts'
import { Plain, SidOf } from './api/present.ts'
import { formOf, route } from './api/route.ts'
import { getSession } from './api/sessions.ts'
import type { HttpContext } from './context.ts'

const RevealCreate = Type.Object({
  Reason: Type.Optional(Type.String({ maxLength: 255, description: 'Why, for the audit log; not for personal data.' })),
})

const place = { account_sid: SidOf('AC'), service_sid: SidOf('KS'), session_sid: SidOf('KC') }
/** To show these is what the operations are for. */
const ParticipantReveal = Type.Object({ sid: SidOf('KP'), ...place, identifier: Plain })
const InteractionReveal = Type.Object({ sid: SidOf('KI'), ...place, data: Plain })

/** What is hidden from a caller, one thing at a time, with a record of who asked for it; it is written before the answer. */
export function revealRoutes(app: FastifyInstance, context: HttpContext): void {
  const inSession = '/Services/:ServiceSid/Sessions/:SessionSid'

  route(
    app,
    'POST',
    `${inSession}/Participants/:ParticipantSid/Reveal`,
    {
      summary: 'Show the identifier of a participant',
      scope: 'reveal',
      keyed: false,
      id: 'RevealParticipant',
      body: RevealCreate,
      answer: ParticipantReveal,
    },
    async (request) => {
      const session = await getSession(context, request)
      const { sid, identifier } = await getParticipant(context, request, session)
      const where = { account_sid: session.account_sid, service_sid: session.service_sid, session_sid: session.sid }
      await record(request, 'participant.reveal', { sid, ...where })
      return { sid, ...where, identifier }
    },
  )

  route(
    app,
    'POST',
    `${inSession}/Interactions/:InteractionSid/Reveal`,
    {
      summary: 'Show what a message says',
      scope: 'reveal',
      keyed: false,
      id: 'RevealInteraction',
      body: RevealCreate,
      answer: InteractionReveal,
    },
    async (request) => {
      const session = await getSession(context, request)
      const where = { account_sid: session.account_sid, service_sid: session.service_sid, session_sid: session.sid }
      const { sid, data } = await getInteraction(context, request, where)
      await record(request, 'interaction.reveal', { sid, ...where })
      return { sid, ...where, data }
    },
  )
}

type Revealed = { sid: string; account_sid: string; service_sid: string; session_sid: string }

async function record(request: FastifyRequest, action: string, revealed: Revealed) {
  const { sid: resource_sid, account_sid, service_sid, session_sid } = revealed
  const { reason } = parseForm(RevealCreate, formOf(request), 'create')
  const details = { session_sid, ...(reason && { reason }) }
  await audit(request.store, { action, account_sid, service_sid, resource_sid, details })
}
