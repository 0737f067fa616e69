import type { TestContext } from 'node:test'
import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { type ReceivedRequest, type ReceiverAnswer, startReceiver } from '../../test/support/receiver.ts'
import type { Random } from '../random.ts'

/**
 * The customer's application of callers whom no session knows. Each has a plan; an application that does its best to give
 * the caller away: it dials without caller ID, copies the number it was told into it, and breaks in every way.
 */
export type Plan = {
  answer: AnswerKind
  /** Whom the application has called. */
  partner: string
  /** The proxy number that a session is to show the partner. */
  proxy: string
}

export const DIALS = ['dial', 'dial-copied', 'dial-formatted', 'dial-empty', 'gather', 'redirect', 'ingress'] as const
export const BROKEN = [
  ...['500', 'empty', 'not-xml', 'not-json', 'not-twiml', 'wrong-type', 'moved', 'reset', 'endless'],
  ...['redirect-lost', 'session-nobody', 'session-misspelt', 'session-taken'],
] as const
export type AnswerKind = (typeof DIALS)[number] | (typeof BROKEN)[number] | 'speak' | 'session'

export type Application = Awaited<ReturnType<typeof startApplication>>

export async function startApplication(
  cleanup: (stop: () => unknown) => void,
  on: { callback: (kind: 'status' | 'intercept' | 'outside', request: ReceivedRequest) => void },
) {
  const plans = new Map<string, Plan>()
  const receiver = await startReceiver({ after: cleanup } as TestContext, (request) => {
    // It keeps what it got; here it was looked at, and there are very many.
    receiver.requests.length = 0
    const path = request.target.split('?')[0] ?? ''
    if (path === '/status' || path === '/allow' || path === '/block') {
      on.callback(path === '/status' ? 'status' : 'intercept', request)
      return { status: path === '/block' ? 403 : 200 }
    }
    on.callback('outside', request)
    const plan = plans.get(request.params.From ?? '')
    if (path === '/app/whisper') return twiml('<Say>A call for you</Say>')
    return plan ? answerTo(plan, path, request) : {}
  })
  return { url: receiver.url, plans }
}

function answerTo(plan: Plan, path: string, { params }: ReceivedRequest): ReceiverAnswer {
  const { answer, partner, proxy } = plan
  const from = params.From ?? ''
  if (path === '/app/menu' || path === '/app/next') {
    const number = `<Number url="whisper" statusCallback="told" statusCallbackEvent="initiated completed">${partner}</Number>`
    return twiml(`<Dial action="over" method="GET" timeout="20">${number}</Dial>`)
  }
  if (path === '/app/over') return twiml('<Say>That was all</Say>')
  if (path === '/app/lost') return { status: 404, body: `${from} is not here` }
  if (path !== '/app/outside') return {}
  if (params.Digits) return json({ participantIdentifier: partner, participantProxyIdentifier: proxy })
  const documents: Partial<Record<AnswerKind, string>> = {
    speak: '<Say language="de-DE">Hallo</Say><Play>hold.mp3</Play><Hangup/>',
    dial: `<Dial timeout="20">${partner}</Dial>`,
    'dial-copied': `<Dial timeout="20" callerId="${from}"><Number>${partner}</Number></Dial>`,
    'dial-formatted': `<Dial callerId="${written(from)}" title="${from}"><Number>${partner}</Number></Dial>`,
    'dial-empty': `<Dial callerId="" timeout="20">${partner}</Dial>`,
    gather: '<Gather numDigits="1" action="menu"><Say>Press a key</Say></Gather>',
    redirect: '<Redirect>next</Redirect>',
    ingress: `<Gather numDigits="1" action="${INGRESS}"><Say>Press a key</Say></Gather>`,
    'redirect-lost': '<Redirect method="GET">lost</Redirect>',
  }
  const body = documents[answer]
  return body ? twiml(body) : (brokenAnswer(answer, from) ?? session(plan))
}

function session({ answer, partner, proxy }: Plan): ReceiverAnswer {
  const wanted = { participantIdentifier: partner, participantProxyIdentifier: proxy }
  if (answer === 'session-nobody') return json({ ...wanted, participantIdentifier: `${partner} ext. 1` })
  if (answer === 'session-misspelt') return json({ ...wanted, mode: partner })
  if (answer === 'session-taken') return json({ ...wanted, participantProxyIdentifier: partner })
  return json(wanted)
}

/** Nothing that can be used, and the caller's number is in it, to be quoted by whoever quotes it. */
function brokenAnswer(answer: AnswerKind, from: string): ReceiverAnswer | undefined {
  const xml = { 'content-type': 'application/xml' }
  const answers: Partial<Record<AnswerKind, ReceiverAnswer>> = {
    '500': { status: 500, headers: xml, body: `<Error>${from} made me fail</Error>` },
    empty: { headers: xml, body: '' },
    'not-xml': { headers: xml, body: `<Response><Dial>${from}</Dail></Response>` },
    'not-json': { headers: { 'content-type': 'application/json' }, body: `{"participantIdentifier":"${from}"` },
    'not-twiml': { headers: xml, body: `<Number>${from}</Number>` },
    'wrong-type': { headers: { 'content-type': 'text/calendar' }, body: `TEL:${from}` },
    moved: { status: 302, headers: { location: '/app/next' }, body: from },
    reset: { headers: xml, body: breaks(from) },
    endless: { headers: xml, body: `<Response><Say>${from.repeat(10_000)}</Say></Response>` },
  }
  return answers[answer]
}

async function* breaks(from: string) {
  yield `<Response><Dial>${from}`
  throw new Error('the application is gone')
}

/** Where applications that moved here still send calls to be looked up again. */
const INGRESS = `https://webhooks.twilio.com/v1/Accounts/AC${'0'.repeat(32)}/Proxy/KS${'0'.repeat(32)}/Webhooks/Call`

const written = (number: string) => parsePhoneNumberFromString(number)?.formatNational() ?? number

const twiml = (body: string): ReceiverAnswer => ({
  headers: { 'content-type': 'application/xml' },
  body: `<Response>${body}</Response>`,
})
const json = (value: unknown): ReceiverAnswer => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

/** Most make a call go through; of the rest every kind comes up. */
export const drawAnswer = (random: Random): AnswerKind => {
  const kind = random.draw({ dials: 6, session: 2, speak: 1, broken: 3 })
  if (kind === 'dials') return random.pick(DIALS)
  return kind === 'broken' ? random.pick(BROKEN) : kind
}
