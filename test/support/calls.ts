import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { settled, type Talker } from './conversation.ts'
import { newName, newNumber, type Pool } from './proxy-api.ts'
import { type Receiver, type ReceiverAnswer, startReceiver } from './receiver.ts'
import { eventually, person, type TestServer } from './server.ts'

/** What the simulated network tells of a call, and what a handset's own list shows of it. */
export type Heard = { kind: string; text?: string; url?: string; digits?: string; date: string }
export type PhoneLeg = {
  sid: string
  direction: 'inbound' | 'outbound'
  number: string
  caller_id: string
  status: string
  statuses: { status: string; date: string }[]
  heard: Heard[]
}
export type PhoneCall = {
  sid: string
  state: string
  duration_s: number | null
  legs: PhoneLeg[]
  recordings: { sid: string; duration_s: number }[]
  warnings: { error_code: number; reason: string }[]
}
export type ListedCall = { direction: string; number: string; state: string; answered: boolean; duration_s: number }

export type Phones = ReturnType<typeof phonesOf>

/**
 * The handsets of the server's account. Each step resolves once all that follows from it without time passing has
 * happened; time passes by `advance` alone.
 */
export function phonesOf(server: TestServer) {
  const ask = async (path: string, json?: unknown) => {
    const init = { method: 'POST', body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }
    const answer = await server.call(`/simulator${path}`, json === undefined ? {} : init)
    assert(answer.status < 300, `${path}: ${answer.status} ${answer.text}`)
    return answer.body
  }
  const place = async (from: string, to: string): Promise<string> => (await ask('/calls', { from, to })).sid
  const advance = async (advance_s: number) => void (await ask('/clock', { advance_s, stopped: true }))
  return {
    advance,
    /** Without waiting for what follows. */
    place,
    async call(from: string, to: string): Promise<string> {
      const sid = await place(from, to)
      await advance(0)
      return sid
    },
    async act(sid: string, { identifier: number }: Handset, action: 'answer' | 'reject' | 'hangup') {
      await ask(`/calls/${sid}/${action}`, { number })
      await advance(0)
    },
    async press(sid: string, { identifier: number }: Handset, digits: string) {
      await ask(`/calls/${sid}/digits`, { number, digits })
      await advance(0)
    },
    find: async (sid: string) => (await ask(`/calls/${sid}`)) as PhoneCall,
    listOf: async ({ identifier }: Handset): Promise<ListedCall[]> =>
      (await ask(`/handsets/${encodeURIComponent(identifier)}/calls`)).calls,
  }
}

export type Handset = { identifier: string }

const AREAS = ['202', '206', '212', '213', '215', '303', '305', '312', '404', '503', '512', '602', '617', '702', '718']
const met = new Map<string, number>()

/** Somebody new whose handset does by itself what its last four digits say, such as 0121: busy. */
export function newHandset(suffix: string): string {
  const nth = met.get(suffix) ?? 0
  met.set(suffix, nth + 1)
  const area = AREAS[nth]
  assert(area, `there are no more handsets that end in ${suffix}`)
  return `+1${area}555${suffix}`
}

/** People who only do what the test does with their handset. */
let people = 0
export const newCaller = () => person(100 + people++)

/**
 * A service made with the vendor's client, whose callbacks reach `receiver`: `/status`, and by `settings` the others.
 * `settings` are given the receiver's address.
 */
export async function startService(
  t: TestContext,
  server: TestServer,
  settings: (receiver_url: string) => Record<string, string> = () => ({}),
  numbers = 2,
) {
  const receiver = await startReceiver(t)
  const { services } = server.client.proxy.v1
  const { sid } = await services.create({
    uniqueName: newName('calls'),
    callbackUrl: `${receiver.url}/status`,
    ...settings(receiver.url),
  })
  const service = services(sid)
  const pool: Pool = { sid, path: `/v1/Services/${sid}`, numbers: [] }
  for (let at = 0; at < numbers; at++) {
    const number = await service.phoneNumbers.create({ phoneNumber: newNumber() })
    pool.numbers.push({ sid: number.sid, phone_number: number.phoneNumber })
  }
  return { server, receiver, service, pool, phones: phonesOf(server) }
}

export type Started = Awaited<ReturnType<typeof startService>>
export type Talk = Awaited<ReturnType<typeof startTalk>>
type SessionParams = Parameters<Started['service']['sessions']['create']>[0] & object

/** The same with a session of two, each on a proxy number of their own. */
export async function startTalk(
  t: TestContext,
  server: TestServer,
  options: {
    settings?: (receiver_url: string) => Record<string, string>
    session?: SessionParams
    alice?: string
    bob?: string
  } = {},
) {
  const started = await startService(t, server, options.settings)
  const talk = await openTalk(started, options)
  return { ...started, ...talk }
}

export async function openTalk(
  { service, pool }: Pick<Started, 'service' | 'pool'>,
  options: { session?: SessionParams; alice?: string; bob?: string } = {},
) {
  const opened = await service.sessions.create(options.session ?? {})
  const session = service.sessions(opened.sid)
  const join = async (identifier: string, number: { phone_number: string } | undefined): Promise<Talker> => {
    const proxyIdentifier = number?.phone_number ?? ''
    const { sid } = await session.participants.create({ identifier, proxyIdentifier })
    return { identifier, sid, proxy: proxyIdentifier }
  }
  const alice = await join(options.alice ?? newCaller(), pool.numbers[0])
  const bob = await join(options.bob ?? newCaller(), pool.numbers[1])
  return { session, alice, bob }
}

/** The legs of a call that has two, the caller's first. */
export async function legsOf({ phones }: { phones: Phones }, sid: string): Promise<[PhoneLeg, PhoneLeg]> {
  const { legs } = await phones.find(sid)
  const [caller, callee] = legs
  assert(caller && callee && legs.length === 2, `two legs, not ${legs.length}`)
  return [caller, callee]
}

export const statusesOf = (leg: PhoneLeg) => leg.statuses.map(({ status }) => status).join(' ')

/** What was said and played on a leg, in its order, without the rest. */
export const wordsOf = (leg: PhoneLeg) =>
  leg.heard.flatMap(({ kind, text, url }) => (kind === 'say' || kind === 'play' ? [text ?? url ?? ''] : []))

export const requestsTo = ({ requests }: Receiver, path: string) =>
  requests.filter(({ target }) => target.split('?')[0] === path)

/** Waits until the application has been told of so many changes of calls. */
export const told = (talk: Pick<Talk, 'receiver'>, times: number) =>
  eventually(async () => requestsTo(talk.receiver, '/status').length >= times, `${times} callbacks have come`)

export const voiceOf = async ({ session }: Pick<Talk, 'session'>) =>
  (await session.interactions.list()).filter(({ type }) => type === 'voice')

type Told = {
  sid: string
  from: Talker
  to: Talker
  inbound: string
  outbound: string
  data?: string
  /** How many calls of the session came before. */
  after?: number
}

/** What REST and the two callbacks say of a call that is over, both legs of it. */
export async function assertTold(talk: Talk, { sid, from, to, inbound, outbound, ...more }: Told): Promise<void> {
  const { server, receiver, pool, service } = talk
  await settled(server, pool)
  const [caller, callee] = await legsOf(talk, sid)
  const interactions = await voiceOf(talk)
  assert.equal(interactions.length, (more.after ?? 0) + 1)
  const interaction = interactions.at(-1)
  assert(interaction)
  const { accountSid, sessionSid, dateCreated, dateUpdated } = interaction
  const url = (leg: { sid: string }) =>
    `https://api.twilio.com/2010-04-01/Accounts/${server.account.sid}/Calls/${leg.sid}.json`
  const inboundLeg = {
    inboundParticipantSid: from.sid,
    inboundResourceSid: caller.sid,
    inboundResourceType: 'call',
    inboundResourceUrl: url(caller),
  }
  const outboundLeg = {
    outboundParticipantSid: to.sid,
    outboundResourceSid: callee.sid,
    outboundResourceType: 'call',
    outboundResourceUrl: url(callee),
  }
  const data = more.data ?? '{}'
  const shown = Object.entries(interaction.toJSON()).filter(([name]) => /bound|data$|^type$|Sid$/.test(name))
  assert.deepEqual(Object.fromEntries(shown), {
    ...{ type: 'voice', data, accountSid: server.account.sid, sessionSid: sessionSid, serviceSid: pool.sid },
    ...inboundLeg,
    ...outboundLeg,
    inboundResourceStatus: inbound,
    outboundResourceStatus: outbound,
  })
  assert.equal(accountSid, server.account.sid)
  assert(dateUpdated >= dateCreated)
  assert.equal((await service.sessions(sessionSid).interactions(interaction.sid).fetch()).data, data)

  const callbacks = requestsTo(receiver, '/status')
    .map(({ params }) => params)
    .filter((params) => params.interactionSid === interaction.sid)
    .sort((a, b) => Number(b.outboundResourceStatus === 'initiated') - Number(a.outboundResourceStatus === 'initiated'))
  const common = {
    ...{ interactionSid: interaction.sid, interactionAccountSid: server.account.sid, interactionType: 'Voice' },
    ...{ interactionServiceSid: pool.sid, interactionSessionSid: sessionSid },
    interactionDateCreated: isoDate(dateCreated),
    ...inboundLeg,
    ...outboundLeg,
  }
  const [first, last] = callbacks
  assert.equal(callbacks.length, 2, 'one when it begins and one when it ends')
  assert((first?.interactionDateUpdated ?? '') <= (last?.interactionDateUpdated ?? ''))
  const without = ({ interactionDateUpdated: _, ...params }: Record<string, string> = {}) => params
  assert.deepEqual(without(first), {
    ...common,
    ...{ inboundResourceStatus: 'in-progress', outboundResourceStatus: 'initiated', interactionData: '{}' },
  })
  assert.deepEqual(last, {
    ...common,
    ...{ inboundResourceStatus: inbound, outboundResourceStatus: outbound, interactionData: data },
    interactionDateUpdated: isoDate(dateUpdated),
  })
}

const isoDate = (date: Date) => `${date.toISOString().slice(0, 19)}Z`

/** One inbound leg, shown as from the partner's own proxy number, and nothing of the caller on that phone. */
export async function assertMasked({ server, phones }: Talk, from: Talker, to: Talker): Promise<void> {
  const listed = await phones.listOf(to)
  const inbound = listed.filter(({ direction }) => direction === 'inbound')
  assert(inbound.length > 0, 'the phone rang')
  for (const call of inbound) assert.equal(call.number, to.proxy)
  const shown = JSON.stringify([listed, await server.handset(to.identifier)])
  for (const hidden of [from.identifier, from.proxy]) assert(!shown.includes(hidden.slice(2)), hidden)
  for (const line of server.logged) assert(!line.includes(from.identifier.slice(2)), line)
}

/** An answer of the customer's application. */
export const twiml = (body: string): ReceiverAnswer => ({
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?><Response>${body}</Response>`,
})
export const json = (value: unknown): ReceiverAnswer => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})
