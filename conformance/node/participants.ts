import assert from 'node:assert/strict'
import { eventually, textFromHandset } from '../report.ts'
import { NOT_FOUND, nextPerson, perform, recent, refusal, secondNumber, services, sids, target } from './context.ts'

export async function checkParticipants(service: string, session: string) {
  const { participants } = services(service).sessions(session)
  const [alice, bob] = [nextPerson(), nextPerson()]
  let first = ''
  let second = ''
  await perform('participants.create', async () => {
    const person = await participants.create({ identifier: alice, friendlyName: 'Zoë' })
    first = person.sid
    assert.match(person.sid, /^KP[0-9a-f]{32}$/)
    assert.equal(person.sessionSid, session)
    assert.equal(person.identifier, alice)
    assert.equal(person.friendlyName, 'Zoë')
    assert.ok(target.numbers.includes(person.proxyIdentifier))
    assert.match(person.proxyIdentifierSid, /^PN[0-9a-f]{32}$/)
    assert.equal(person.dateDeleted, null)
    assert.equal(person.links.message_interactions, `${person.url}/MessageInteractions`)
    const partner = await participants.create({ identifier: bob, proxyIdentifier: secondNumber })
    second = partner.sid
    assert.equal(partner.proxyIdentifier, secondNumber)
  })
  await perform('participants.fetch', async () => {
    const person = await participants(first).fetch()
    assert.equal(person.identifier, alice)
  })
  await perform('participants.list', async () => {
    assert.deepEqual(sids(await participants.list({ pageSize: 1 })).sort(), [first, second].sort())
  })
  await perform('errors.third-participant', async () => {
    const third = participants.create({ identifier: nextPerson() })
    await refusal(third, { status: 400, code: 80609, message: /participants/i })
  })
  await checkMessageInteractions(service, session, first)
  await perform('interactions.relayed', async () => {
    const { interactions } = services(service).sessions(session)
    const { proxyIdentifier } = await participants(first).fetch()
    await textFromHandset(target, alice, proxyIdentifier, 'Where are you?')
    const relayed = await eventually(async () =>
      (await interactions.list()).find((interaction) => interaction.inboundParticipantSid === first),
    )
    assert.deepEqual(JSON.parse(relayed.data), { body: 'Where are you?' })
    assert.equal(relayed.type, 'message')
    assert.equal(relayed.inboundResourceStatus, 'delivered')
    assert.match(relayed.inboundResourceSid, /^SM[0-9a-f]{32}$/)
    assert.equal(relayed.inboundResourceType, 'message')
    assert.equal(relayed.outboundParticipantSid, second)
  })
  await perform('participants.delete', async () => {
    assert.equal(await participants(second).remove(), true)
    assert.deepEqual(sids(await participants.list()), [first])
    recent((await participants(second).fetch()).dateDeleted)
  })
}

async function checkMessageInteractions(service: string, session: string, participant: string) {
  const { messageInteractions } = services(service).sessions(session).participants(participant)
  const { interactions } = services(service).sessions(session)
  const body = 'Your order is on its way – ½ hour'
  const sent: string[] = []
  await perform('message-interactions.create', async () => {
    const message = await messageInteractions.create({ body })
    sent.push(message.sid)
    assert.match(message.sid, /^KI[0-9a-f]{32}$/)
    assert.equal(message.type, 'message')
    assert.deepEqual(JSON.parse(message.data), { body })
    assert.equal(message.participantSid, participant)
    assert.equal(message.outboundParticipantSid, participant)
    assert.equal(message.outboundResourceType, 'message')
    assert.equal(message.inboundParticipantSid, null)
    assert.equal(message.inboundResourceStatus, null)
    recent(message.dateCreated)
    const started = await services(service).sessions(session).fetch()
    assert.equal(started.status, 'in-progress')
    recent(started.dateStarted)
    recent(started.dateLastInteraction)
    sent.push((await messageInteractions.create({ body: 'Second' })).sid)
  })
  await perform('message-interactions.fetch', async () => {
    const message = await messageInteractions(sent[0]!).fetch()
    assert.equal(message.sid, sent[0])
    assert.deepEqual(JSON.parse(message.data), { body })
  })
  await perform('message-interactions.list', async () => {
    assert.deepEqual(sids(await messageInteractions.list({ pageSize: 1 })), sent)
  })
  await perform('interactions.fetch', async () => {
    const interaction = await interactions(sent[0]!).fetch()
    assert.equal(interaction.sid, sent[0])
    assert.equal(interaction.type, 'message')
    assert.equal(interaction.outboundParticipantSid, participant)
    assert.deepEqual(JSON.parse(interaction.data), { body })
  })
  await perform('interactions.list', async () => {
    assert.deepEqual(sids(await interactions.list({ pageSize: 1 })), sent)
  })
  await perform('interactions.delete', async () => {
    assert.equal(await interactions(sent[0]!).remove(), true)
    assert.deepEqual(sids(await interactions.list()), sent.slice(1))
    await refusal(interactions(sent[0]!).fetch(), NOT_FOUND)
  })
}
