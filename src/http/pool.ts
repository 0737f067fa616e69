import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { type CapacityUnder, readCapacity } from '../core/capacity/capacity.ts'
import { readEffect } from '../core/capacity/effect.ts'
import { type PictureNumber, readPoolPicture } from '../core/capacity/pool-picture.ts'
import type { NumberKind } from '../core/phone-numbers.ts'
import { parseForm } from './api/form.ts'
import { getMember } from './api/phone-numbers.ts'
import { DateTime, Nullable, OneOf, Plain, presentDate, SidOf } from './api/present.ts'
import { queryOf, route } from './api/route.ts'
import { getService } from './api/services.ts'
import type { HttpContext } from './context.ts'

const PoolBody = Type.Object({
  numbers: Type.Array(
    Type.Object({
      sid: Type.String({ pattern: '^(PN|SC)[0-9a-fA-F]{32}$', 'x-pii': false }),
      phone_number: Plain,
      iso_country: Nullable(Plain),
      area_code: Nullable(Plain),
      kind: OneOf(['PN', 'SC']),
      capabilities: Type.Object({ sms: Type.Boolean(), mms: Type.Boolean(), voice: Type.Boolean() }),
      is_reserved: Type.Boolean(),
      live_sessions: Type.Integer(),
      cooling_people: Type.Integer(),
      sent_24h: Type.Integer({ description: 'What went out and did not fail.' }),
      failed_24h: Type.Integer(),
      state: OneOf(['free', 'used', 'reserved', 'draining', 'failing']),
      date_created: DateTime,
    }),
  ),
  sampled: Type.Boolean({ description: 'Whether there was too much to count all of it.' }),
  date_read: DateTime,
})

const Under = Type.Object({
  default_ttl: Type.Integer(),
  cool_down_s: Type.Integer(),
  groups: Type.Array(
    Type.Object({
      iso_country: Nullable(Plain),
      area_code: Nullable(Plain),
      numbers: Type.Integer(),
      reserved: Type.Integer(),
      live_pairs: Type.Integer(),
      cooling_pairs: Type.Integer(),
      busiest_held: Type.Integer(),
      sessions_left: Type.Integer(),
    }),
  ),
  sessions_left: Type.Integer({ description: 'How many numbers the person with the most can still be given.' }),
  busiest_held: Type.Integer({ description: 'The most numbers that one person holds now, live or cooling down.' }),
  peak_held: Type.Integer({ description: 'The most that one person held at any time in these days.' }),
  date_peak: Nullable(DateTime),
  history: Type.Array(Type.Object({ at: DateTime, held: Type.Integer() })),
})
const CapacityBody = Type.Object({
  service_sid: SidOf('KS'),
  now: Under,
  what_if: Under,
  sampled: Type.Boolean({ description: 'Whether there was too much to go through all of it.' }),
  date_whole: Nullable(DateTime),
  date_read: DateTime,
})
const CapacityQuery = Type.Object({
  DefaultTtl: Type.Optional(
    Type.Integer({ minimum: 0, description: 'Seconds, instead of the DefaultTtl of the service; 0 for ever.' }),
  ),
  CoolDown: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 31_536_000, description: 'Seconds, instead of its CoolDown.' }),
  ),
  Days: Type.Optional(Type.Integer({ minimum: 1, maximum: 30, description: 'How far to look back; 7 unless given.' })),
})

const EffectBody = Type.Object({
  live_sessions: Type.Integer(),
  live_participants: Type.Integer(),
  queued_interactions: Type.Integer(),
  cooling_people: Type.Integer(),
  last_of_country: Type.Boolean(),
  can_remove_quietly: Type.Boolean(),
  texts: Type.Array(Plain),
})

const presentNumber = ({ sid, capabilities: { sms, mms, voice }, ...number }: PictureNumber) => ({
  ...number,
  sid,
  kind: sid.slice(0, 2),
  capabilities: { sms, mms, voice },
  date_created: presentDate(number.date_created),
})

const presentUnder = ({ peak_at, history, ...under }: CapacityUnder) => ({
  ...under,
  date_peak: presentDate(peak_at),
  history: history.map(({ at, held }) => ({ at: presentDate(at), held })),
})

/** What a pool looks like and how far it lasts; what becomes of its numbers when somebody takes one away. */
export function poolRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  route(
    app,
    'GET',
    '/Services/:ServiceSid/Pool',
    { summary: 'Look at a whole pool', scope: 'numbers:read', id: 'FetchPool', answer: PoolBody },
    async (request) => {
      const { numbers, is_sample, read_at } = await readPoolPicture(store, await getService(context, request))
      return { numbers: numbers.map(presentNumber), sampled: is_sample, date_read: presentDate(read_at) }
    },
  )

  route(
    app,
    'GET',
    '/Services/:ServiceSid/Capacity',
    {
      summary: 'Find out how far a pool lasts, and would with another ttl or cool-down',
      scope: 'numbers:read',
      ...{ id: 'FetchCapacity', query: CapacityQuery, answer: CapacityBody },
    },
    async (request) => {
      const service = await getService(context, request)
      const { days = 7, cool_down, default_ttl } = parseForm(CapacityQuery, queryOf(request), 'update')
      const found = await readCapacity(store, service, { days, default_ttl, cool_down_s: cool_down })
      return {
        service_sid: service.sid,
        now: presentUnder(found.now),
        what_if: presentUnder(found.what_if),
        sampled: found.whole_since !== null,
        date_whole: presentDate(found.whole_since),
        date_read: presentDate(found.read_at),
      }
    },
  )
  effectRoute(app, context, 'PN', 'PhoneNumbers')
  effectRoute(app, context, 'SC', 'ShortCodes')
}

function effectRoute(app: FastifyInstance, context: HttpContext, kind: NumberKind, path: string): void {
  route(
    app,
    'GET',
    `/Services/:ServiceSid/${path}/:Sid/Effect`,
    {
      summary: 'Find out what reserving or removing a number would do',
      scope: 'numbers:read',
      id: kind === 'PN' ? 'FetchPhoneNumberEffect' : 'FetchShortCodeEffect',
      answer: EffectBody,
    },
    async (request) => {
      const service = await getService(context, request)
      return await readEffect(context.store, service, await getMember(context, request, service, kind))
    },
  )
}
