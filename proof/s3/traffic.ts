import { setTimeout as delay } from 'node:timers/promises'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { poolNumber } from '../../test/support/server.ts'
import { vendorSid } from '../../test/support/twilio-numbers.ts'
import type { Random } from '../random.ts'
import type { Arrival, CarrierAnswer } from '../support/watching-carrier.ts'
import type { Clients } from './clients.ts'
import type { Told } from './history.ts'
import { type Answer, now, tryAsk } from './record.ts'
import type { World } from './world.ts'

export type Traffic = ReturnType<typeof createTraffic>

type Event = {
  kind: 'message' | 'call'
  sid: string
  from: string
  to: string
  acknowledged: boolean
  /** What a call was answered; and whether some answer did not come, so that a copy may still be on its way. */
  twiml: string
  isDoubtful: boolean
}

const EVERY_MS = 50
/** Events that are being brought: a machine with much else to do is not buried under what has to be repeated. */
const MOST_IN_HAND = 80
const CARRIER_LIMIT_MS = 5_000
const TRIES = 12
/** How often an event is told at once, and what the carrier makes of a message that it is to send. */
const COPIES = { 1: 60, 2: 25, 5: 15 }
const FATES = { taken: 78, slow: 6, later: 6, refused: 3, unsaid: 4, broken: 3 }

/** The carrier: people text and call, and it tells the servers, sends what they ask for, and reports what became of it. */
export function createTraffic(world: World, { places }: Clients) {
  const { random, recorder, carrier } = world
  const mood = { isCalm: false, isOver: false }
  const works = new Set<Promise<void>>()
  const begin = (work: Promise<void>) => {
    works.add(work)
    work.finally(() => works.delete(work))
  }

  const post = (url: string, params: Record<string, string>): Promise<Answer> => {
    const signature = getExpectedTwilioSignature(carrier.credentials.auth_token, url, params)
    const headers = { 'x-twilio-signature': signature }
    return tryAsk('POST', world.reach(url), { headers, params: Object.entries(params), limit_ms: CARRIER_LIMIT_MS })
  }

  /** Somebody who is somewhere, was there, or never was. */
  function drawEvent(): Event {
    const who = random.draw({ live: 72, former: 18, nobody: 10 })
    const some = places.filter((place) => place.isLive() === (who === 'live'))
    const place = who === 'nobody' ? undefined : some[random.below(some.length)]
    const { identifier: from, proxy: to } = place ?? {
      identifier: random.pick(world.people()),
      proxy: poolNumber(random.below(14)),
    }
    const kind = random.chance(0.8) ? 'message' : 'call'
    return {
      kind,
      sid: vendorSid(kind === 'message' ? 'SM' : 'CA'),
      from,
      to,
      acknowledged: false,
      twiml: '',
      isDoubtful: false,
    }
  }

  async function tellOnce(event: Event): Promise<Told> {
    const { kind, sid, from, to } = event
    const common = { AccountSid: carrier.credentials.account_sid, ApiVersion: '2010-04-01', From: from, To: to }
    const about: Record<string, string> =
      kind === 'message'
        ? { MessageSid: sid, Body: sid, NumMedia: '0', NumSegments: '1' }
        : { CallSid: sid, CallStatus: 'ringing', Direction: 'inbound' }
    const answer = await post(`${world.door}/${kind}s`, { ...common, ...about })
    const { began_at, ended_at, status, outcome, text } = answer
    const dials = dialledBy(text)
    const told = recorder.add<Told>({
      type: 'told',
      kind,
      event: sid,
      from,
      to,
      began_at,
      ended_at,
      status,
      outcome,
      dials,
    })
    if (status && status >= 400) recorder.add({ type: 'shown', at: ended_at, to: 'error', of: sid, text })
    if (dials) recorder.add({ type: 'shown', at: ended_at, to: 'partner', of: sid, text: dials.caller_id })
    if (outcome === 'done') event.acknowledged = true
    if (outcome === 'unknown') event.isDoubtful = true
    if (dials) event.twiml = text
    return told
  }

  /** One copy, as often as carriers do until one is taken. */
  async function tell(event: Event, wait_ms: number) {
    await delay(wait_ms)
    for (let nth = 0; nth < TRIES && !mood.isOver; nth++) {
      const { outcome } = await tellOnce(event)
      if (outcome !== 'unknown' || event.acknowledged) return
      await delay((300 + random.below(900)) * Math.min(nth + 1, 4))
    }
  }

  /** The copies come at once, or in disorder. */
  async function deliver(event: Event) {
    const copies = Number(random.draw(COPIES))
    const spread_ms = random.draw({ at_once: 60, apart: 30, late: 10 })
    const most = { at_once: 5, apart: 400, late: 5_000 }[spread_ms]
    await Promise.all(Array.from({ length: copies }, () => tell(event, random.below(most))))
    // A copy that came after the leg has begun would be another call.
    if (event.twiml && !event.isDoubtful) await reportCall(event)
  }

  const report = async (url: string, params: Record<string, string>) => {
    for (let nth = 0; nth < TRIES && !mood.isOver; nth++) {
      if ((await post(url, params)).outcome !== 'unknown') return
      await delay(500 + random.below(1_000))
    }
  }
  const reportMessage = async ({ status_url, message_sid, from, to }: Arrival, statuses: string[]) => {
    for (const status of statuses) {
      await delay(random.below(300))
      const about = { MessageSid: message_sid, MessageStatus: status, From: from, To: to }
      await report(status_url, { AccountSid: carrier.credentials.account_sid, ...about })
    }
  }
  const reportCall = async ({ sid, twiml, from, to }: Event) => {
    const [leg, action] = [/statusCallback="([^"]+)"/, /action="([^"]+)"/].map((at) => at.exec(twiml)?.[1] ?? '')
    const common = { AccountSid: carrier.credentials.account_sid, ApiVersion: '2010-04-01', From: from, To: to }
    const dialled = vendorSid('CA')
    for (const CallStatus of disorder(random, ['initiated', 'ringing', 'in-progress', 'completed'])) {
      await report(leg ?? '', { ...common, CallSid: dialled, ParentCallSid: sid, CallStatus })
    }
    const ended = { DialCallSid: dialled, DialCallStatus: 'completed', DialCallDuration: '7' }
    await report(action ?? '', { ...common, CallSid: sid, CallStatus: 'in-progress', ...ended })
  }

  carrier.answer = async (arrival): Promise<CarrierAnswer> => {
    const { body: event, from, to } = arrival
    const began_at = now()
    const fate = mood.isCalm ? 'taken' : random.draw(FATES)
    const isTaken = fate === 'taken' || fate === 'slow' || fate === 'unsaid'
    recorder.add({ type: 'shown', at: began_at, to: 'partner', of: event, text: from })
    if (isTaken && random.chance(0.1)) begin(reportMessage(arrival, ['sent']))
    if (fate === 'slow') await delay(500 + random.below(4_000))
    if (isTaken) begin(reportMessage(arrival, disorder(random, ['sending', 'sent', 'delivered'])))
    const status =
      fate === 'later' ? 503 : fate === 'refused' ? 400 : fate === 'taken' || fate === 'slow' ? 201 : undefined
    const leg = { type: 'leg' as const, event, from, to, began_at, ended_at: now(), status, is_taken: isTaken }
    recorder.addLeg(leg, arrival.sid)
    return answerOf(fate, random.below(3))
  }

  return Object.assign(mood, {
    /** Events at a steady rate; each is brought on its own. */
    async run(isOver: () => boolean) {
      while (!isOver()) {
        await delay(EVERY_MS)
        if (works.size < MOST_IN_HAND) begin(deliver(drawEvent()))
      }
    },
    async finish() {
      while (works.size > 0) await Promise.all(works)
    },
  })
}

function answerOf(fate: keyof typeof FATES, later_s: number): CarrierAnswer {
  if (fate === 'later') return { later_s }
  if (fate === 'refused') return { refused: 21610 }
  if (fate === 'unsaid') return 'taken unsaid'
  return fate === 'broken' ? 'broken' : 'taken'
}

function dialledBy(twiml: string): Told['dials'] {
  const number = /<Number[^>]*>([^<]*)<\/Number>/.exec(twiml)?.[1]
  const caller_id = /callerId="([^"]*)"/.exec(twiml)?.[1]
  return number && caller_id ? { number, caller_id } : null
}

/** Some of them twice, and in any order. */
function disorder(random: Random, statuses: string[]): string[] {
  const some = statuses.flatMap((status) => (random.chance(0.25) ? [status, status] : [status]))
  return random.chance(0.4) ? some.sort(() => random.below(3) - 1) : some
}
