import assert from 'node:assert/strict'
import { eventually, textFromHandset } from '../report.ts'
import { cli, nextPerson, notFound, perform, secondNumber, sids, target } from './context.ts'

export async function checkParticipants(parent: { 'service-sid': string; 'session-sid': string }) {
  const alice = nextPerson()
  let first = ''
  let second = ''
  await perform('participants.create', async () => {
    const create = 'services:sessions:participants:create'
    const person = await cli.one(create, { ...parent, identifier: alice, 'friendly-name': 'Zoë' })
    first = person.sid
    assert.match(first, /^KP[0-9a-f]{32}$/)
    assert.equal(person.identifier, alice)
    assert.equal(person.friendlyName, 'Zoë')
    assert.ok(target.numbers.includes(String(person.proxyIdentifier)))
    assert.equal(person.dateDeleted, null)
    const partner = await cli.one(create, { ...parent, identifier: nextPerson(), 'proxy-identifier': secondNumber })
    second = partner.sid
    assert.equal(partner.proxyIdentifier, secondNumber)
  })
  await perform('participants.fetch', async () => {
    assert.equal((await cli.one('services:sessions:participants:fetch', { ...parent, sid: first })).identifier, alice)
  })
  await perform('participants.list', async () => {
    const listed = await cli.call('services:sessions:participants:list', {
      ...parent,
      'page-size': 1,
      'no-limit': true,
    })
    assert.deepEqual(sids(listed).sort(), [first, second].sort())
  })
  await perform('errors.third-participant', async () => {
    const third = { ...parent, identifier: nextPerson() }
    const expected = { status: 400, code: 80609, message: /participants/i }
    await cli.refused('services:sessions:participants:create', third, expected)
  })
  await checkInteractions(parent, first)
  await perform('interactions.relayed', async () => {
    const { proxyIdentifier } = await cli.one('services:sessions:participants:fetch', { ...parent, sid: first })
    await textFromHandset(target, alice, String(proxyIdentifier), 'Where are you?')
    const relayed = await eventually(async () =>
      (await cli.call('services:sessions:interactions:list', parent)).find(
        (each) => each.inboundParticipantSid === first,
      ),
    )
    assert.deepEqual(JSON.parse(String(relayed.data)), { body: 'Where are you?' })
    assert.equal(relayed.inboundResourceStatus, 'delivered')
    assert.match(String(relayed.inboundResourceSid), /^SM[0-9a-f]{32}$/)
    assert.equal(relayed.outboundParticipantSid, second)
  })
  await perform('participants.delete', async () => {
    await cli.remove('services:sessions:participants', { ...parent, sid: second })
    assert.deepEqual(sids(await cli.call('services:sessions:participants:list', parent)), [first])
  })
}

async function checkInteractions(parent: { 'service-sid': string; 'session-sid': string }, participant: string) {
  const messages = 'services:sessions:participants:message-interactions'
  const within = { ...parent, 'participant-sid': participant }
  const body = 'Your order is on its way – ½ hour'
  const sent: string[] = []
  await perform('message-interactions.create', async () => {
    const message = await cli.one(`${messages}:create`, { ...within, body })
    sent.push(message.sid)
    assert.match(message.sid, /^KI[0-9a-f]{32}$/)
    assert.equal(message.type, 'message')
    assert.deepEqual(JSON.parse(String(message.data)), { body })
    assert.equal(message.participantSid, participant)
    assert.equal(message.outboundParticipantSid, participant)
    assert.equal(message.inboundResourceStatus, null)
    sent.push((await cli.one(`${messages}:create`, { ...within, body: 'Second' })).sid)
  })
  await perform('message-interactions.fetch', async () => {
    const message = await cli.one(`${messages}:fetch`, { ...within, sid: sent[0]! })
    assert.deepEqual(JSON.parse(String(message.data)), { body })
  })
  await perform('message-interactions.list', async () => {
    const listed = await cli.call(`${messages}:list`, { ...within, 'page-size': 1, 'no-limit': true })
    assert.deepEqual(sids(listed), sent)
  })
  await perform('interactions.fetch', async () => {
    const interaction = await cli.one('services:sessions:interactions:fetch', { ...parent, sid: sent[0]! })
    assert.equal(interaction.type, 'message')
    assert.equal(interaction.outboundParticipantSid, participant)
  })
  await perform('interactions.list', async () => {
    const listed = await cli.call('services:sessions:interactions:list', {
      ...parent,
      'page-size': 1,
      'no-limit': true,
    })
    assert.deepEqual(sids(listed), sent)
  })
  await perform('interactions.delete', async () => {
    await cli.remove('services:sessions:interactions', { ...parent, sid: sent[0]! })
    await cli.refused('services:sessions:interactions:fetch', { ...parent, sid: sent[0]! }, notFound)
  })
}
