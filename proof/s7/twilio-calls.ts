import { eventually, poolNumber } from '../../test/support/server.ts'
import type { Callee, CallHandle } from '../../test/support/twilio-calls.ts'
import type { CallbackFault } from '../../test/support/twilio-webhooks.ts'
import { DIALS, drawAnswer } from './application.ts'
import { type Conversation, converse, LAST_MINUTE, type ServiceName, type Talker, type World } from './world.ts'

/**
 * Calls that come in by the stand-in for Twilio: what is answered is carried out there by an interpreter that knows nothing
 * of ours, and phones ring that show what they are shown. Each kind of call makes so many calls, and looks at all of them.
 */
/** Of calls it makes so many. */
export type Kind = { makes: number; weight: number; run: (world: World) => Promise<void> }

const TALKED_ABOUT: [ServiceName, ...ServiceName[]] = ['plain', 'told', 'rich']

export const TWILIO_KINDS: Record<string, Kind> = {
  'a conversation': { makes: 4, weight: 30, run: talk },
  'the last minute announced': { makes: 1, weight: 3, run: talkUntilLastMinute },
  'a call that is blocked': { makes: 1, weight: 5, run: (world) => refused(world, 'blocked') },
  'a message-only session': {
    makes: 1,
    weight: 3,
    run: (world) => refused(world, 'plain', [['Mode', 'message-only']]),
  },
  'a closed session': { makes: 2, weight: 6, run: callClosed },
  'a session closed while it rings': { makes: 1, weight: 3, run: closeWhileRinging },
  'a session without a partner': { makes: 1, weight: 3, run: callAlone },
  'a stranger': { makes: 1, weight: 35, run: (world) => stranger(world) },
  'a caller who withholds the number': { makes: 1, weight: 3, run: (world) => refusedFrom(world, '+266696687') },
  'a number that nobody has': { makes: 1, weight: 3, run: callNobody },
}

/** What the network does to callbacks about legs, of which Twilio promises neither the order nor the number. */
export function disturb({ twilio, random, atTwilio }: World) {
  twilio.callbackFaults = ({ url }): CallbackFault => {
    // The last minute counts from the report of an answer.
    if (url.includes(atTwilio.pools.late.sid) || !random.chance(0.06)) return undefined
    return random.pick(['drop', 'duplicate', 'hold'])
  }
}

function place({ twilio, count }: World, { identifier, proxy }: Talker): CallHandle {
  count('calls at Twilio')
  return twilio.call({ from: identifier, to: proxy })
}

/** What the people of a call were shown and told, and what Twilio says of the partner's leg. */
function look({ taps, count }: World, call: CallHandle, callees: Callee[] = []) {
  taps.look('callers’ phones', JSON.stringify([call.to, call.heard]), [call.from])
  for (const { sid, from, to, heard } of callees) {
    count('phones that rang')
    taps.look('partners’ phones', JSON.stringify([from, heard]), [to])
    for (const { call_sid, url, params } of call.requests) {
      if (call_sid === sid)
        taps.look('carrier’s words about the partner’s leg', `${url} ${JSON.stringify(params)}`, [to])
    }
  }
}

async function end(call: CallHandle) {
  await call.settled()
  if (['ringing', 'in-progress'].includes(call.status)) await call.hangUp()
  await call.settled()
}

type Ending = (call: CallHandle, callee: Callee) => Promise<void>

const ENDINGS: Record<string, Ending> = {
  async 'answered, the partner hangs up'(call, callee) {
    await callee.answer()
    await callee.speak('Hello?', 2)
    await call.timePasses(5)
    await callee.hangUp()
  },
  async 'answered, the caller hangs up'(call, callee) {
    await call.timePasses(3)
    await callee.answer()
    await call.speak('It is me', 2)
    await call.press('12#')
    await callee.press('3')
    await call.hangUp()
  },
  async busy(call, callee) {
    await callee.reject()
    await leaveMessage(call)
  },
  async failed(call, callee) {
    await callee.fail()
    await leaveMessage(call)
  },
  async 'not answered'(call, callee) {
    await callee.noAnswer()
    await leaveMessage(call)
  },
  async canceled(call) {
    await call.timePasses(2)
    await call.hangUp()
  },
}

async function leaveMessage(call: CallHandle) {
  await call.settled()
  if (call.status === 'in-progress') await call.speak('Please call me back', 4)
}

async function talk(world: World) {
  const { random, count, twilio, atTwilio } = world
  const { alice, bob } = await converse(world, atTwilio, random.pick(TALKED_ABOUT))
  for (const caller of [alice, bob, bob, alice]) {
    const ending = random.pick(Object.keys(ENDINGS) as [string, ...string[]])
    const call = place(world, caller)
    const callee = await call.callee()
    await ENDINGS[ending]?.(call, callee)
    await end(call)
    look(world, call, [callee])
    count(ending)
    // A carrier repeats what was answered long ago.
    const repeated = random.chance(0.1) && call.requests.find(({ url }) => url.endsWith('/calls'))
    if (repeated) await twilio.repeat(repeated)
  }
}

async function talkUntilLastMinute(world: World) {
  const { alice } = await converse(world, world.atTwilio, 'late')
  const call = place(world, alice)
  const callee = await call.callee()
  await callee.answer()
  const isAnnounced = async () => callee.heard.includes(LAST_MINUTE) && call.heard.includes(LAST_MINUTE)
  await eventually(isAnnounced, 'the last minute is announced to both', 60_000)
  await call.settled()
  await callee.speak('I heard', 2)
  await end(call)
  look(world, call, [callee])
  world.count('last minutes announced')
}

async function refused(world: World, service: ServiceName, params: [name: string, value: string][] = []) {
  const { alice } = await converse(world, world.atTwilio, service, params)
  await expectNoLeg(world, place(world, alice))
}

async function expectNoLeg(world: World, call: CallHandle) {
  await end(call)
  const rang = await call.callee().then(
    () => true,
    () => false,
  )
  if (rang) throw new Error('a phone rang that nobody may call')
  look(world, call)
  world.count('calls that reach nobody')
}

/** Both were in it; who calls now is told so by the customer's application, if there is one. */
async function callClosed(world: World) {
  const { atTwilio, random } = world
  const conversation = await converse(world, atTwilio, random.pick(['plain', 'outside']))
  await close(world, conversation)
  for (const caller of [conversation.alice, conversation.bob]) await stranger(world, caller)
}

const close = ({ atTwilio }: World, { session }: Conversation) => atTwilio.client.post(session, [['Status', 'closed']])

async function closeWhileRinging(world: World) {
  const conversation = await converse(world, world.atTwilio, 'told')
  const call = place(world, conversation.alice)
  const callee = await call.callee()
  await close(world, conversation)
  await callee.answer()
  await end(call)
  look(world, call, [callee])
}

async function callAlone(world: World) {
  const { atTwilio, newcomer } = world
  const { sid, numbers } = atTwilio.pools.outside
  const alone = { identifier: newcomer(), proxy: numbers[0] }
  const participant = JSON.stringify({ Identifier: alone.identifier, ProxyIdentifier: alone.proxy })
  await atTwilio.client.post(`/v1/Services/${sid}/Sessions`, [['Participants', participant]])
  await stranger(world, alone, 'in a session')
}

/** Somebody whom no session knows; the application answers as it was drawn. */
async function stranger(world: World, known?: Talker, where: 'in a session' | 'outside' = 'outside') {
  const { random, application, atTwilio, newcomer, acquaint } = world
  const { numbers } = atTwilio.pools.outside
  const caller = known ?? { identifier: newcomer(), proxy: numbers[0] }
  const isAsked = numbers.includes(caller.proxy)
  const plan = { answer: drawAnswer(random), partner: newcomer(), proxy: numbers[2] }
  application.plans.set(caller.identifier, plan)
  acquaint(caller.identifier, plan.partner)
  const call = place(world, caller)
  await call.settled()
  if (call.status === 'in-progress' && ['gather', 'ingress'].includes(plan.answer)) await call.press('7')
  const callees = await ringAll(call)
  await end(call)
  look(world, call, callees)
  world.count(`the application: ${isAsked ? plan.answer : 'not asked'}`)
  // Whoever waits in a session already cannot be given another on the same number.
  const sessions: string[] = where === 'outside' ? ['ingress', 'session'] : []
  const rings = isAsked && [...DIALS.filter((kind) => kind !== 'ingress'), ...sessions].includes(plan.answer)
  if (callees.length !== (rings ? 1 : 0)) {
    throw new Error(`${callees.length} phones rang by ${plan.answer}: ${call.heard} ${call.warnings}`)
  }
}

/** Answers every phone that rings, one after the other. */
async function ringAll(call: CallHandle): Promise<Callee[]> {
  const callees: Callee[] = []
  for (;;) {
    const callee = await call.callee().catch(() => undefined)
    if (!callee) return callees
    callees.push(callee)
    await callee.answer()
    await call.timePasses(2)
    if (callee.status === 'in-progress') await callee.hangUp()
  }
}

async function refusedFrom(world: World, identifier: string) {
  await expectNoLeg(world, place(world, { identifier, proxy: world.atTwilio.pools.plain.numbers[0] }))
}

/** The number calls us, but has left its pool. */
async function callNobody(world: World) {
  const { twilio, server, atTwilio, newcomer, random } = world
  const phone_number = poolNumber(9500 + random.below(300))
  const voice_url = `${server.url}/webhooks/${atTwilio.account.carrier_sid}/calls`
  if (!twilio.numbers.some((number) => number.phone_number === phone_number)) {
    twilio.addNumber({ phone_number, voice_url, voice_fallback_url: voice_url })
  }
  await expectNoLeg(world, place(world, { identifier: newcomer(), proxy: phone_number }))
}
