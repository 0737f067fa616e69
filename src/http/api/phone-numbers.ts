import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { isE164 } from '../../core/e164.ts'
import { missingParameter, ProxyError } from '../../core/errors.ts'
import * as numbers from '../../core/phone-numbers.ts'
import { isSid } from '../../core/sid.ts'
import type { Service } from '../../db/schema.ts'
import type { HttpContext } from '../context.ts'
import { parseForm } from './form.ts'
import { once } from './idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './page.ts'
import { DateTime, Nullable, Plain, presentDate, SidOf, Url } from './present.ts'
import { formOf, notFound, queryOf, route } from './route.ts'
import { getService } from './services.ts'

const IsReserved = Type.Optional(Type.Boolean({ description: 'Reserved numbers are assigned by name only.' }))

const CAPABILITIES = [
  ...['fax_inbound', 'fax_outbound', 'mms_inbound', 'mms_outbound'],
  ...['restriction_fax_domestic', 'restriction_mms_domestic', 'restriction_sms_domestic', 'restriction_voice_domestic'],
  ...['sip_trunking', 'sms_inbound', 'sms_outbound', 'voice_inbound', 'voice_outbound'],
]
/** The long names are those of real bodies, the short ones those that two typed clients read. */
const Capabilities = Type.Object(
  Object.fromEntries([...CAPABILITIES, 'fax', 'mms', 'sms', 'voice'].map((name) => [name, Type.Boolean()])),
)

const presentCapabilities = ({ voice, sms, mms, fax }: numbers.PoolMember['capabilities']) => ({
  fax_inbound: fax,
  fax_outbound: fax,
  mms_inbound: mms,
  mms_outbound: mms,
  restriction_fax_domestic: false,
  restriction_mms_domestic: false,
  restriction_sms_domestic: false,
  restriction_voice_domestic: false,
  sip_trunking: false,
  sms_inbound: sms,
  sms_outbound: sms,
  voice_inbound: voice,
  voice_outbound: voice,
  fax,
  mms,
  sms,
  voice,
})

/** Long numbers and short codes: two collections that differ in a few names. */
const KINDS = {
  PN: {
    path: 'PhoneNumbers',
    key: 'phone_numbers',
    noun: 'phone number',
    create: Type.Object({
      Sid: Type.Optional(Type.String({ description: 'The number by its SID, or …' })),
      PhoneNumber: Type.Optional(Type.String({ description: '… by the number, as in +12025550123.' })),
      IsReserved,
    }),
    own: { phone_number: Plain, friendly_name: Nullable(Plain), in_use: Type.Integer() },
    present: (member: numbers.PoolMember) => ({
      phone_number: member.phone_number,
      friendly_name: member.friendly_name,
      in_use: member.in_use,
    }),
  },
  SC: {
    path: 'ShortCodes',
    key: 'short_codes',
    noun: 'short code',
    create: Type.Object({ Sid: Type.Optional(Type.String()), IsReserved }),
    own: { short_code: Plain },
    present: (member: numbers.PoolMember) => ({ short_code: member.phone_number }),
  },
} as const

const Update = Type.Object({ IsReserved })

const bodyOf = (kind: numbers.NumberKind) =>
  Type.Object({
    sid: SidOf(kind),
    account_sid: SidOf('AC'),
    service_sid: SidOf('KS'),
    date_created: DateTime,
    date_updated: DateTime,
    iso_country: Nullable(Plain),
    capabilities: Capabilities,
    url: Url,
    is_reserved: Type.Boolean(),
    ...KINDS[kind].own,
  })

const presentMember = (base: string, kind: numbers.NumberKind) => (member: numbers.PoolMember) => ({
  sid: member.sid,
  account_sid: member.account_sid,
  service_sid: member.service_sid,
  date_created: presentDate(member.date_created),
  date_updated: presentDate(member.date_updated),
  iso_country: member.iso_country,
  capabilities: presentCapabilities(member.capabilities),
  url: `${base}/Services/${member.service_sid}/${KINDS[kind].path}/${member.sid}`,
  is_reserved: member.is_reserved,
  ...KINDS[kind].present(member),
})

export function phoneNumberRoutes(app: FastifyInstance, context: HttpContext, kind: numbers.NumberKind): void {
  const { path, key, noun, create } = KINDS[kind]
  const collection = `/Services/:ServiceSid/${path}`
  const base = `${context.store.rules.public_url}/v1`
  const Body = bodyOf(kind)
  const present = presentMember(base, kind)

  route(
    app,
    'POST',
    collection,
    { summary: `Add a ${noun} to the pool`, scope: 'numbers:write', body: create, answer: Body, status: 201 },
    async (request) => {
      const service = await getService(context, request)
      const params = parseForm(create, formOf(request), 'create')
      // The carrier is asked before the transaction that takes the number.
      const prepared = await prepare(context, request, service, readNumber(kind, params))
      return await once(request, async (trx) => {
        if ('refusal' in prepared) throw prepared.refusal
        return present(await numbers.addToPool(trx, service, prepared.number, params.is_reserved ?? false))
      })
    },
  )

  route(
    app,
    'GET',
    collection,
    { summary: `List the pool's ${noun}s`, scope: 'numbers:read', query: PageQuery, answer: PageOf(key, Body) },
    async (request) => {
      const service = await getService(context, request)
      const query = parsePage(queryOf(request))
      const found = await numbers.listPool(context.store, service.sid, kind, query.request)
      return presentPage(found, query, { key, url: `${base}/Services/${service.sid}/${path}`, present })
    },
  )

  route(
    app,
    'GET',
    `${collection}/:Sid`,
    { summary: `Fetch a ${noun}`, scope: 'numbers:read', answer: Body },
    async (request) => present(await getMember(context, request, await getService(context, request), kind)),
  )

  route(
    app,
    'POST',
    `${collection}/:Sid`,
    { summary: `Reserve or release a ${noun}`, scope: 'numbers:write', body: Update, answer: Body },
    async (request) => {
      const member = await getMember(context, request, await getService(context, request), kind)
      return await once(request, async (trx) => {
        const { is_reserved = member.is_reserved } = parseForm(Update, formOf(request), 'update')
        return present(await numbers.setReserved(trx, member, is_reserved))
      })
    },
  )

  route(
    app,
    'DELETE',
    `${collection}/:Sid`,
    { summary: `Remove a ${noun} from the pool`, scope: 'numbers:write', status: 204 },
    async (request) => {
      const service = await getService(context, request)
      await numbers.removeFromPool(request.store, service, await getMember(context, request, service, kind))
    },
  )
}

/** The number or short code a path names, in the service's pool. Throws 20404. */
export async function getMember(
  context: HttpContext,
  request: FastifyRequest,
  service: Service,
  kind: numbers.NumberKind,
): Promise<numbers.PoolMember> {
  const { Sid } = request.params as { Sid: string }
  const member = isSid(kind, Sid) ? await numbers.findPoolMember(context.store, service.sid, kind, Sid) : undefined
  if (!member) throw notFound(request)
  return member
}

/** A refusal is given, not thrown: where the request repeats one that succeeded, the answer is that one's. */
async function prepare(
  { carriers }: HttpContext,
  request: FastifyRequest,
  service: Service,
  query: ReturnType<typeof readNumber>,
) {
  return await numbers.prepareNumber(request.store, carriers, service, query).then(
    (number) => ({ number }),
    (refusal: unknown) => ({ refusal }),
  )
}

function readNumber(kind: numbers.NumberKind, params: { sid?: string; phone_number?: string }) {
  if (params.sid) {
    if (!isSid(kind, params.sid)) throw new ProxyError(80407)
    return { kind, sid: params.sid }
  }
  if (kind === 'SC') throw missingParameter('Sid')
  if (!params.phone_number) throw missingParameter('Sid or PhoneNumber')
  const phone_number = params.phone_number.replace(/^ (?=\d)/, '+').replace(/[\s().-]/g, '')
  if (!isE164(phone_number)) throw new ProxyError(80406)
  return { kind, phone_number }
}
