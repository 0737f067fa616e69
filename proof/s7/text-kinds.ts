import { drawTextAnswer, MAKES_SESSION } from './text-application.ts'
import { sendByApi, sendText } from './text-messages.ts'
import {
  converseByText,
  strangeShape,
  type TextConversation,
  type TextServiceName,
  type TextSide,
  type TextWorld,
} from './text-world.ts'
import type { Case, Talker } from './world.ts'

/** What people text about, each so many interactions long, with a look at what is on record of them. */
type Scene = { texts: TextWorld; side: TextSide; one: Case }
/** Of interactions it makes so many. */
export type TextKind = { makes: number; weight: number; run: (scene: Scene) => Promise<void> }

export const TEXT_KINDS: Record<string, TextKind> = {
  'a conversation': { makes: 24, weight: 12, run: (scene) => talk(scene, 24) },
  'a short conversation': { makes: 5, weight: 4, run: (scene) => talk(scene, 5) },
  'a single text': { makes: 1, weight: 1, run: (scene) => talk(scene, 1) },
  'texts that are blocked': { makes: 4, weight: 2, run: blocked },
  'a session that is over': { makes: 5, weight: 4, run: over },
  'a session for calls only': { makes: 2, weight: 1, run: forCallsOnly },
  'a session without a partner': { makes: 2, weight: 1, run: alone },
  'somebody leaves': { makes: 5, weight: 2, run: leave },
  'a stranger': { makes: 3, weight: 9, run: stranger },
  'a sender in another shape': { makes: 2, weight: 2, run: strangeSender },
  'a number that nobody has': { makes: 1, weight: 1, run: nobodysNumber },
}

async function talk({ texts, side, one }: Scene, interactions: number) {
  const { random } = one
  const name = random.chance(0.4) ? 'told' : 'plain'
  const conversation = await converseByText(side, one, name)
  const withApi = interactions > 2 ? 2 : 0
  for (let at = 0; at < interactions - withApi; at++) await say(texts, side, one, conversation, random.chance(0.5))
  if (withApi > 0) await askApi(texts, side, one, conversation)
  await lookAtInteractions(texts, side, conversation)
  if (random.chance(0.1)) await side.client.delete(conversation.session)
}

/** One of the two writes to the other. */
async function say(
  texts: TextWorld,
  side: TextSide,
  { random }: Case,
  { alice, bob }: TextConversation,
  isAlice: boolean,
) {
  const [sender, reader] = isAlice ? [alice, bob] : [bob, alice]
  const sending = { from: sender.identifier, to: sender.proxy, reader: reader.identifier }
  await sendText(texts, side, random, sending)
}

async function askApi(texts: TextWorld, side: TextSide, { random }: Case, { session, alice, bob }: TextConversation) {
  const { participants } = await side.client.get(`${session}/Participants`)
  for (const { sid, proxy_identifier } of participants as { sid: string; proxy_identifier: string }[]) {
    const [reader, other] = proxy_identifier === alice.proxy ? [alice, bob] : [bob, alice]
    const path = `${session}/Participants/${sid}/MessageInteractions`
    const sending = { from: other.identifier, to: other.proxy, reader: reader.identifier }
    await sendByApi(texts, side, random, { path, sending })
    texts.taps.look('interactions', JSON.stringify(await side.client.get(path)))
  }
}

/** The list is looked at wherever it is answered; a single record is looked at here. */
async function lookAtInteractions({ taps }: TextWorld, { client }: TextSide, { session }: TextConversation) {
  const { interactions } = await client.get(`${session}/Interactions?PageSize=100`)
  const [first] = interactions as { sid: string }[]
  if (first) taps.look('interactions', JSON.stringify(await client.get(`${session}/Interactions/${first.sid}`)))
}

async function blocked({ texts, side, one }: Scene) {
  const conversation = await converseByText(side, one, 'blocked')
  for (let at = 0; at < 4; at++) await sayToNobody(texts, side, one, at % 2 ? conversation.alice : conversation.bob)
  await lookAtInteractions(texts, side, conversation)
}

/** A text that reaches nobody. */
async function sayToNobody(texts: TextWorld, side: TextSide, { random }: Case, { identifier, proxy }: Talker) {
  await sendText(texts, side, random, { from: identifier, to: proxy, reader: undefined })
}

/** It was closed, was deleted, or has run out; who writes now is told so by the customer's application, if there is one. */
async function over({ texts, side, one }: Scene) {
  const { random } = one
  const name = random.pick<TextServiceName>(['outside', 'outside', 'told', 'plain'])
  const how = random.pick(['closed', 'deleted', 'expired'])
  const { world, application } = texts
  const conversation = await converseByText(side, one, name, [['Ttl', '3600']])
  const { session, alice, bob } = conversation
  await say(texts, side, one, conversation, true)
  if (how === 'closed') await side.client.post(session, [['Status', 'closed']])
  if (how === 'deleted') await side.client.delete(session)
  if (how === 'expired') await expire(texts, session)
  // What was said before may leave no more.
  for (const talker of [alice, bob]) {
    const answer = drawTextAnswer(random)
    const partner = one.newcomer()
    side.people.add(partner)
    application.plans.set(talker.identifier, { answer, partner, proxy: side.pools.outside.numbers[2] })
    const isPassedOn = name === 'outside' && MAKES_SESSION.includes(answer)
    const reader = isPassedOn ? partner : undefined
    for (let time = 0; time < 2; time++) {
      await sendText(texts, side, random, { from: talker.identifier, to: talker.proxy, reader })
    }
  }
  world.count(`sessions ${how}`)
}

/** What its clock counts from moves into the past, on the database's own clock. */
async function expire({ world }: TextWorld, session: string) {
  const sid = session.split('/').at(-1)
  const past = `date_created = date_created - interval '2 hours', ttl_since = ttl_since - interval '2 hours'`
  await world.server.store.pool.query(`update sessions set ${past} where sid = $1`, [sid])
}

async function forCallsOnly({ texts, side, one }: Scene) {
  const { alice, bob } = await converseByText(side, one, 'told', [['Mode', 'voice-only']])
  for (const talker of [alice, bob]) await sayToNobody(texts, side, one, talker)
}

async function alone({ texts, side, one }: Scene) {
  const { sid, numbers } = side.pools.outside
  const talker = { identifier: one.newcomer(), proxy: numbers[0] }
  side.people.add(talker.identifier)
  const participant = JSON.stringify({ Identifier: talker.identifier, ProxyIdentifier: talker.proxy })
  await side.client.post(`/v1/Services/${sid}/Sessions`, [['Participants', participant]])
  texts.application.plans.set(talker.identifier, { answer: 'reply', partner: one.newcomer(), proxy: numbers[2] })
  for (let time = 0; time < 2; time++) await sayToNobody(texts, side, one, talker)
}

/** Another takes the place of one of two, who writes once more, as does the one who stayed. */
async function leave({ texts, side, one }: Scene) {
  const conversation = await converseByText(side, one, 'told')
  const { session, alice, bob } = conversation
  await say(texts, side, one, conversation, false)
  const { participants } = await side.client.get(`${session}/Participants`)
  const leaver = (participants as { sid: string; proxy_identifier: string }[]).find(
    ({ proxy_identifier }) => proxy_identifier === bob.proxy,
  )
  await side.client.delete(`${session}/Participants/${leaver?.sid}`)
  await sayToNobody(texts, side, one, bob)
  await sayToNobody(texts, side, one, alice)
  const carol = { identifier: one.newcomer(), proxy: bob.proxy }
  side.people.add(carol.identifier)
  const added = [['Identifier', carol.identifier] as const, ['ProxyIdentifier', carol.proxy] as const]
  await side.client.post(
    `${session}/Participants`,
    added.map(([name, value]) => [name, value]),
  )
  for (const isAlice of [true, false]) await say(texts, side, one, { ...conversation, bob: carol }, isAlice)
  await lookAtInteractions(texts, side, conversation)
}

/** Somebody whom no session knows; the application answers as it was drawn. */
async function stranger({ texts, side, one }: Scene) {
  const { random, newcomer } = one
  const { numbers } = side.pools.outside
  const [sender, partner] = [newcomer(), newcomer()]
  for (const person of [sender, partner]) side.people.add(person)
  const answer = drawTextAnswer(random)
  texts.application.plans.set(sender, { answer, partner, proxy: numbers[2] })
  const reader = MAKES_SESSION.includes(answer) ? partner : undefined
  for (let time = 0; time < 3; time++) await sendText(texts, side, random, { from: sender, to: numbers[0], reader })
  texts.world.count(`the application: ${answer}`)
}

/** Carriers write numbers in one way only; nothing may depend on it. The simulated network takes no other. */
async function strangeSender({ texts, one }: Scene) {
  const { random } = one
  const side = texts.atTwilio
  const { numbers } = side.pools.outside
  const sender = strangeShape(random, one.newcomer())
  const plan = { answer: drawTextAnswer(random), partner: one.newcomer(), proxy: numbers[2] }
  texts.application.plans.set(sender, plan)
  const reader = MAKES_SESSION.includes(plan.answer) ? plan.partner : undefined
  for (let time = 0; time < 2; time++) await sendText(texts, side, random, { from: sender, to: numbers[0], reader })
}

/** The number's texts come to us, but it has left its pool. */
async function nobodysNumber({ texts, one }: Scene) {
  const nobody = { identifier: one.newcomer(), proxy: '+12025590199' }
  await sayToNobody(texts, texts.atTwilio, one, nobody)
}
