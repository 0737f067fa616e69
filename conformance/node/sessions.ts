import assert from 'node:assert/strict'
import { firstNumber, NOT_FOUND, nextPerson, perform, recent, refusal, run, services, sids, target } from './context.ts'

export async function checkSessions(service: string) {
  const { sessions } = services(service)
  const session = { sid: '' }
  await perform('sessions.create', async () => {
    const created = await sessions.create({ uniqueName: `${run}-order-1`, ttl: 600, mode: 'message-only' })
    session.sid = created.sid
    assert.match(created.sid, /^KC[0-9a-f]{32}$/)
    assert.equal(created.serviceSid, service)
    assert.equal(created.accountSid, target.accountSid)
    assert.equal(created.uniqueName, `${run}-order-1`)
    assert.equal(created.status, 'open')
    assert.equal(created.mode, 'message-only')
    assert.equal(created.ttl, 600)
    for (const unset of ['dateStarted', 'dateEnded', 'dateLastInteraction', 'dateExpiry', 'closedReason'] as const) {
      assert.equal(created[unset], null, `${unset} is ${created[unset]}`)
    }
    assert.equal(created.links.participants, `${created.url}/Participants`)
    assert.equal(created.links.interactions, `${created.url}/Interactions`)
    recent(created.dateCreated)
  })
  await perform('sessions.create-with-participants', async () => {
    const [alice, bob] = [nextPerson(), nextPerson()]
    const created = await sessions.create({
      participants: [
        { Identifier: alice, FriendlyName: 'Alice' },
        { Identifier: bob, ProxyIdentifier: firstNumber },
      ],
    })
    assert.equal(created.mode, 'voice-and-message')
    const people = await sessions(created.sid).participants.list()
    assert.deepEqual(new Set(people.map((person) => person.identifier)), new Set([alice, bob]))
    assert.equal(people.find((person) => person.identifier === alice)?.friendlyName, 'Alice')
    assert.equal(people.find((person) => person.identifier === bob)?.proxyIdentifier, firstNumber)
    assert.equal((await services(service).phoneNumbers.list()).find((n) => n.phoneNumber === firstNumber)?.inUse, 1)
  })
  await perform('sessions.fetch', async () => {
    const fetched = await sessions(session.sid).fetch()
    assert.equal(fetched.sid, session.sid)
    assert.equal(fetched.status, 'open')
  })
  await perform('sessions.fetch-by-name', async () => {
    assert.equal((await sessions(`${run}-order-1`).fetch()).sid, session.sid)
  })
  await perform('sessions.list', async () => {
    for (const _ of [3, 4, 5]) await sessions.create()
    const everything = sids(await sessions.list({ pageSize: 2 }))
    assert.equal(everything.length, 5)
    assert.equal(everything[0], session.sid)
    assert.deepEqual(everything, [...new Set(everything)].sort())
    assert.deepEqual(sids(await sessions.list({ limit: 99_999_999 })), everything)
    assert.deepEqual(sids(await sessions.list({ limit: 3, pageSize: 2 })), everything.slice(0, 3))
  })
  await perform('sessions.update', async () => {
    const tomorrow = new Date(Math.floor(Date.now() / 1000) * 1000 + 86_400_000)
    const updated = await sessions(session.sid).update({ dateExpiry: tomorrow, ttl: 1200 })
    assert.equal(updated.ttl, 1200)
    assert.equal(updated.dateExpiry.getTime(), tomorrow.getTime())
  })
  await perform('errors.duplicate-name', async () => {
    const twin = sessions.create({ uniqueName: `${run}-order-1` })
    await refusal(twin, { status: 400, code: 80603, message: /unique/i })
  })
  return session.sid
}

export async function checkClosing(service: string, session: string) {
  const { sessions } = services(service)
  await perform('sessions.close', async () => {
    const closed = await sessions(session).update({ status: 'closed' })
    assert.equal(closed.status, 'closed')
    assert.equal(closed.closedReason, 'api')
    recent(closed.dateEnded)
  })
  await perform('errors.closed-session', async () => {
    const late = sessions(session).participants.create({ identifier: nextPerson() })
    await refusal(late, { status: 400, code: 80607, message: /closed/i })
  })
  await perform('sessions.reopen', async () => {
    const opened = await sessions(session).update({ status: 'in-progress' })
    assert.equal(opened.status, 'in-progress')
    assert.equal(opened.closedReason, null)
    assert.equal(opened.dateEnded, null)
  })
  await perform('sessions.delete', async () => {
    assert.equal(await sessions(session).remove(), true)
    await refusal(sessions(session).fetch(), NOT_FOUND)
  })
}
