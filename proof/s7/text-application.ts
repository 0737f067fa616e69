import type { TestContext } from 'node:test'
import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { type ReceivedRequest, type ReceiverAnswer, startReceiver } from '../../test/support/receiver.ts'
import type { Random } from '../random.ts'
import type { TextTaps } from './text-taps.ts'

/**
 * The customer's application of texts, and the place where the carrier keeps what was attached to them. About somebody whom
 * no session knows it answers by a plan. It may say in its own words whatever it likes, so there it names nobody; but it
 * puts the number it was told into addresses, attributes and names, and breaks in every way.
 */
export type TextPlan = {
  answer: TextAnswer
  /** Whom the application has written to, and the proxy number that they are to see. */
  partner: string
  proxy: string
}

const TWIML = [
  ...['reply', 'several', 'to-partner', 'attached', 'redirect', 'redirect-get', 'redirect-lost', 'redirect-nowhere'],
  ...['from-copied', 'from-formatted', 'to-nobody', 'nothing', 'other-verbs', 'odd-names', 'odd-entity', 'odd-twice'],
] as const
const SESSIONS = ['session', 'session-written', 'session-nobody', 'session-misspelt', 'session-taken'] as const
const BROKEN = ['500', 'empty', 'not-xml', 'not-json', 'not-twiml', 'wrong-type', 'moved', 'reset', 'endless'] as const
export type TextAnswer = (typeof TWIML)[number] | (typeof SESSIONS)[number] | (typeof BROKEN)[number]

export const drawTextAnswer = (random: Random): TextAnswer => {
  const kind = random.draw({ session: 4, twiml: 5, odd: 1, broken: 3 })
  if (kind === 'session') return 'session'
  if (kind === 'odd') return random.pick(SESSIONS)
  return kind === 'twiml' ? random.pick(TWIML) : random.pick(BROKEN)
}

/** Answers that make a session in which the text goes on. */
export const MAKES_SESSION: readonly TextAnswer[] = ['session', 'session-written']

/** What a text says to have the application behave in some way, when it is asked about it or told of it. */
export const BEHAVES = { slow: 'Take your time', broken: 'I broke it', endless: 'on and on', unheard: 'Do not listen' }

/** So many answers are held back until others have come. */
const HELD = 3
const LARGE = Buffer.alloc(5 * 1024 * 1024 + 1)

export type TextApplication = Awaited<ReturnType<typeof startTextApplication>>

export async function startTextApplication(
  cleanup: (stop: () => unknown) => void,
  { taps, told }: { taps: TextTaps; told: (request: ReceivedRequest) => void },
) {
  const plans = new Map<string, TextPlan>()
  const held: (() => void)[] = []
  const releaseHeld = (left: number) => {
    while (held.length > left) held.shift()?.()
  }
  const receiver = await startReceiver({ after: cleanup } as TestContext, (request) => {
    // It keeps what it got; here it was looked at, and there are very many.
    receiver.requests.length = 0
    const path = request.target.split('?')[0] ?? ''
    if (path.startsWith('/files/')) return file(request)
    if (path === '/status' || path === '/allow' || path === '/block') {
      const { target, headers, body } = request
      taps.look(path === '/status' ? 'status callbacks' : 'intercept callbacks', `${target} ${body}`, { headers })
      if (path === '/block') return { status: 403, body: request.params.interactionData ?? '' }
      releaseHeld(HELD)
      const answer = answerBy(path, request.params.interactionData ?? '')
      if (answer !== 'slow') return answer
      return new Promise((resolve) => held.push(() => resolve({})))
    }
    told(request)
    const plan = plans.get(request.params.From ?? '')
    return plan ? answerTo(plan, path, request) : {}
  })
  return { url: receiver.url, plans, releaseHeld: () => releaseHeld(0) }
}

/** An intercept that fails lets the text pass; a status callback that is refused is on record. */
function answerBy(path: string, data: string): ReceiverAnswer | 'slow' {
  if (path === '/status') return { status: data.includes(BEHAVES.unheard) ? 404 : 200 }
  if (data.includes(BEHAVES.slow)) return 'slow'
  if (data.includes(BEHAVES.broken)) return { status: 500, body: data }
  return data.includes(BEHAVES.endless) ? { body: 'x'.repeat(200_000) } : {}
}

/** A file as its sender named it. */
function file({ target }: ReceivedRequest): ReceiverAnswer {
  const { pathname, searchParams } = new URL(target, 'http://files')
  if (pathname.includes('/large/')) return { headers: { 'content-type': 'video/mp4' }, body: LARGE }
  const name = decodeURIComponent(pathname.split('/').at(-1) ?? '')
  const headers = {
    'content-type': `${searchParams.get('type') ?? 'image/jpeg'}; name="${name}"`,
    'content-disposition': `attachment; filename="${name}"; filename*=UTF-8''${encodeURIComponent(name)}`,
    'x-sender': searchParams.get('from') ?? '',
    etag: `"${searchParams.get('from')}"`,
  }
  return { headers, body: Buffer.from('GIF89a and the picture of a cat') }
}

function answerTo(plan: TextPlan, path: string, { params }: ReceivedRequest): ReceiverAnswer {
  const from = params.From ?? ''
  if (path === '/next') return twiml(`<Message to="${escaped(from)}">We found our way</Message>`)
  if (path !== '/outside') return { status: 404, body: `${from} is not here` }
  return messages(plan, from) ?? session(plan, from) ?? broken(plan, from)
}

const messages = ({ answer, partner, proxy }: TextPlan, from: string): ReceiverAnswer | undefined => {
  const [who, code] = [escaped(from), encodeURIComponent(from)]
  const digits = from.replace(/\D/g, '')
  const to = `to="${partner}" from="${proxy}"`
  const documents: Record<(typeof TWIML)[number], string> = {
    reply: '<Message>Thank you</Message>',
    several: `<Message>One</Message><Message to="${who}"><Body>Two</Body></Message><Message ${to}>Three</Message>`,
    'to-partner': `<Message ${to} action="told?who=${code}"><Body>Somebody wrote to you</Body></Message>`,
    attached: `<Message ${to}><Body>Look</Body><Media>files/cat.gif</Media><Media>tel:${who}</Media></Message>`,
    redirect: '<Redirect>next</Redirect>',
    'redirect-get': `<Message>Wait</Message><Redirect method="GET">next?who=${code}</Redirect>`,
    'redirect-lost': `<Redirect>lost/${code}?who=${code}</Redirect>`,
    'redirect-nowhere': `<Redirect>http://127.0.0.1:9/${digits}?${code}</Redirect>`,
    'from-copied': `<Message to="${partner}" from="${who}">I am me</Message>`,
    'from-formatted': `<Message to="${partner}" from="${escaped(written(from))}">I am me</Message>`,
    'to-nobody': `<Message to="${who} ext. 1" from="${proxy}">Hello</Message>`,
    nothing: `<!-- ${who} --><Message to="${who}"></Message>`,
    'other-verbs': `<Dial callerId="${who}">${who}</Dial><Message statusCallback="${code}"><Sms>${who}</Sms></Message>`,
    'odd-names': `<N${digits}/><Message to="${who}"><N.${digits} a${digits}="${who}"/>Odd</Message>`,
    'odd-entity': `<Message>&N${digits};</Message>`,
    'odd-twice': `<Message a${digits}="" a${digits}="">Odd</Message>`,
  }
  const body = documents[answer as (typeof TWIML)[number]]
  return body === undefined ? undefined : twiml(body)
}

function session({ answer, partner, proxy }: TextPlan, from: string): ReceiverAnswer | undefined {
  const wanted = { participantIdentifier: partner, participantProxyIdentifier: proxy }
  const answers: Record<(typeof SESSIONS)[number], object> = {
    session: wanted,
    'session-written': { ...wanted, participantIdentifier: international(partner), ttl: 0 },
    'session-nobody': { ...wanted, participantIdentifier: `${from} ext. 1` },
    'session-misspelt': { ...wanted, mode: from, ttl: from, dateExpiry: from },
    'session-taken': { ...wanted, participantProxyIdentifier: from },
  }
  const body = answers[answer as (typeof SESSIONS)[number]]
  return body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** Nothing that can be used, and the sender's number is in it, to be quoted by whoever quotes it. */
function broken({ answer }: TextPlan, from: string): ReceiverAnswer {
  const xml = { 'content-type': 'application/xml' }
  const answers: Record<(typeof BROKEN)[number], ReceiverAnswer> = {
    '500': { status: 500, headers: xml, body: `<Error>${from} made me fail</Error>` },
    empty: { headers: xml, body: '' },
    'not-xml': { headers: xml, body: `<Response><Message>${from}</Massage></Response>` },
    'not-json': { headers: { 'content-type': 'application/json' }, body: `{"participantIdentifier":"${from}"` },
    'not-twiml': { headers: xml, body: `<Number>${from}</Number>` },
    'wrong-type': { headers: { 'content-type': `text/calendar; name="${from}"` }, body: `TEL:${from}` },
    moved: { status: 302, headers: { location: `/next?who=${encodeURIComponent(from)}` }, body: from },
    reset: { headers: xml, body: breaks(from) },
    endless: { headers: xml, body: `<Response><Message>${from.repeat(10_000)}</Message></Response>` },
  }
  return answers[answer as (typeof BROKEN)[number]]
}

async function* breaks(from: string) {
  yield `<Response><Message>${from}`
  throw new Error('the application is gone')
}

const written = (number: string) => parsePhoneNumberFromString(number)?.formatNational() ?? number
export const international = (number: string) => parsePhoneNumberFromString(number)?.formatInternational() ?? number
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')

const twiml = (body: string): ReceiverAnswer => ({
  headers: { 'content-type': 'application/xml' },
  body: `<Response>${body}</Response>`,
})
