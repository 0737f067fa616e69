import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import * as recordings from '../core/recordings.ts'
import { isSid } from '../core/sid.ts'
import { getInteraction } from './api/interactions.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, OneOf, presentDate, SidOf, Url } from './api/present.ts'
import { notFound, queryOf, route } from './api/route.ts'
import { getService } from './api/services.ts'
import { getSession } from './api/sessions.ts'
import type { HttpContext } from './context.ts'

const RecordingBody = Type.Object({
  sid: SidOf('RE'),
  account_sid: SidOf('AC'),
  service_sid: SidOf('KS'),
  session_sid: SidOf('KC'),
  interaction_sid: SidOf('KI'),
  kind: OneOf(['call', 'voicemail']),
  duration_s: Type.Integer(),
  date_created: DateTime,
  url: Url,
  media_url: Url,
})
const listing = {
  scope: 'recordings:read',
  query: PageQuery,
  answer: PageOf('recordings', RecordingBody),
} as const
const SOUND = ['audio/*', 'application/octet-stream']

const pathOf = ({ service_sid, session_sid, interaction_sid }: Required<recordings.RecordingScope>) =>
  `/Services/${service_sid}/Sessions/${session_sid}/Interactions/${interaction_sid}/Recordings`

const presentRecording = (base: string) => (row: recordings.ListedRecording) => {
  const { service_sid, session_sid, interaction_sid, sid } = row
  const url = `${base}${pathOf(row)}/${sid}`
  return {
    sid,
    account_sid: row.account_sid,
    service_sid,
    session_sid,
    interaction_sid,
    kind: row.kind,
    duration_s: row.duration_s,
    date_created: presentDate(row.date_created),
    url,
    media_url: `${url}/Media`,
  }
}

/** What was recorded of a service's calls. The sound lies at the carrier and is fetched through us. */
export function recordingRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/maskline/v1`
  const present = presentRecording(base)
  const collection = '/Services/:ServiceSid/Sessions/:SessionSid/Interactions/:InteractionSid/Recordings'

  const list = async (request: FastifyRequest, scope: recordings.RecordingScope, url: string) => {
    const query = parsePage(queryOf(request))
    const found = await recordings.listRecordings(store, scope, query.request)
    return presentPage(found, query, { key: 'recordings', url, present })
  }

  route(
    app,
    'GET',
    '/Services/:ServiceSid/Recordings',
    { summary: 'List recordings of a service', id: 'ListServiceRecording', ...listing },
    async (request) => {
      const { sid } = await getService(context, request)
      return await list(request, { service_sid: sid }, `${base}/Services/${sid}/Recordings`)
    },
  )

  route(app, 'GET', collection, { summary: 'List recordings of a call', ...listing }, async (request) => {
    const scope = await getScope(context, request)
    return await list(request, scope, `${base}${pathOf(scope)}`)
  })

  route(
    app,
    'GET',
    `${collection}/:Sid`,
    { summary: 'Fetch what is known of a recording', scope: 'recordings:read', answer: RecordingBody },
    async (request) => present(await getRecording(context, request)),
  )

  route(
    app,
    'DELETE',
    `${collection}/:Sid`,
    { summary: "Delete a recording, the carrier's copy too", scope: 'recordings:write', status: 204 },
    async (request) => {
      const { Sid } = request.params as { Sid: string }
      const scope = await getScope(context, request)
      if (!isSid('RE', Sid) || !(await recordings.deleteRecording(request.store, scope, Sid))) throw notFound(request)
    },
  )

  route(
    app,
    'GET',
    `${collection}/:Sid/Media`,
    { summary: 'Fetch the sound of a recording', scope: 'recordings:read', bytes: SOUND },
    async (request, reply) => {
      const recording = await getRecording(context, request)
      const sound = await recordings.fetchRecording(request.store, context.carriers, recording)
      if (!sound) throw notFound(request)
      reply.headers(soundHeaders(recording.sid, sound.content_type))
      return sound.bytes
    },
  )
}

/** The call a path names. Throws 20404. */
async function getScope(context: HttpContext, request: FastifyRequest): Promise<Required<recordings.RecordingScope>> {
  const session = await getSession(context, request)
  const scope = { service_sid: session.service_sid, session_sid: session.sid }
  const interaction = await getInteraction(context, request, scope)
  return { ...scope, interaction_sid: interaction.sid }
}

async function getRecording(context: HttpContext, request: FastifyRequest): Promise<recordings.ListedRecording> {
  const { Sid } = request.params as { Sid: string }
  const scope = await getScope(context, request)
  const row = isSid('RE', Sid) ? await recordings.findRecording(context.store, scope, Sid) : undefined
  if (!row) throw notFound(request)
  return row
}

/** Served as sound, or else as bytes that no browser will run. */
function soundHeaders(sid: string, content_type: string) {
  const type = content_type.split(';')[0]?.trim().toLowerCase() ?? ''
  return {
    'Content-Type': /^audio\/[\w.+-]+$/.test(type) ? type : 'application/octet-stream',
    'Content-Disposition': `inline; filename="${sid}.${type === 'audio/mpeg' ? 'mp3' : 'wav'}"`,
    'Cache-Control': 'private, no-store',
  }
}
