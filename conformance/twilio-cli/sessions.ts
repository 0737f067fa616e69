import assert from 'node:assert/strict'
import { cli, firstNumber, nextPerson, notFound, perform, recent, run, sids } from './context.ts'

export async function checkSessions(parent: { 'service-sid': string }) {
  let sid = ''
  await perform('sessions.create', async () => {
    const fresh = { ...parent, 'unique-name': `${run}-order-1`, ttl: 600, mode: 'message-only' }
    const session = await cli.one('services:sessions:create', fresh)
    sid = session.sid
    assert.match(sid, /^KC[0-9a-f]{32}$/)
    assert.equal(session.uniqueName, `${run}-order-1`)
    assert.equal(session.status, 'open')
    assert.equal(session.mode, 'message-only')
    assert.equal(session.ttl, 600)
    for (const unset of ['dateStarted', 'dateEnded', 'dateLastInteraction', 'dateExpiry', 'closedReason']) {
      assert.equal(session[unset], null, `${unset} is ${session[unset]}`)
    }
    recent(session.dateCreated)
  })
  await perform('sessions.create-with-participants', async () => {
    const [alice, bob] = [nextPerson(), nextPerson()]
    const people = [
      JSON.stringify({ Identifier: alice, FriendlyName: 'Alice' }),
      JSON.stringify({ Identifier: bob, ProxyIdentifier: firstNumber }),
    ]
    const session = await cli.one('services:sessions:create', { ...parent, participants: people })
    const within = { ...parent, 'session-sid': session.sid }
    const found = await cli.call('services:sessions:participants:list', within)
    assert.deepEqual(new Set(found.map((person) => person.identifier)), new Set([alice, bob]))
    assert.equal(found.find((person) => person.identifier === alice)?.friendlyName, 'Alice')
    assert.equal(found.find((person) => person.identifier === bob)?.proxyIdentifier, firstNumber)
  })
  await perform('sessions.fetch', async () => {
    assert.equal((await cli.one('services:sessions:fetch', { ...parent, sid })).status, 'open')
  })
  await perform('sessions.fetch-by-name', async () => {
    assert.equal((await cli.one('services:sessions:fetch', { ...parent, sid: `${run}-order-1` })).sid, sid)
  })
  await perform('sessions.list', async () => {
    await cli.one('services:sessions:create', parent)
    const everything = sids(await cli.call('services:sessions:list', { ...parent, 'page-size': 1, 'no-limit': true }))
    assert.equal(everything.length, 3)
    assert.equal(everything[0], sid)
    assert.deepEqual(everything, [...new Set(everything)].sort())
    const two = await cli.call('services:sessions:list', { ...parent, limit: 2 })
    assert.deepEqual(sids(two), everything.slice(0, 2))
  })
  await perform('sessions.update', async () => {
    const tomorrow = new Date(Math.floor(Date.now() / 1000) * 1000 + 86_400_000)
    const expiry = tomorrow.toISOString().replace('.000', '')
    const session = await cli.one('services:sessions:update', { ...parent, sid, 'date-expiry': expiry, ttl: 1200 })
    assert.equal(session.ttl, 1200)
    assert.equal(Date.parse(String(session.dateExpiry)), tomorrow.getTime())
  })
  await perform('errors.duplicate-name', async () => {
    const twin = { ...parent, 'unique-name': `${run}-order-1` }
    await cli.refused('services:sessions:create', twin, { status: 400, code: 80603, message: /unique/i })
  })
  return sid
}

export async function checkClosing(parent: { 'service-sid': string }, sid: string) {
  await perform('sessions.close', async () => {
    const closed = await cli.one('services:sessions:update', { ...parent, sid, status: 'closed' })
    assert.equal(closed.status, 'closed')
    assert.equal(closed.closedReason, 'api')
    recent(closed.dateEnded)
  })
  await perform('errors.closed-session', async () => {
    const late = { ...parent, 'session-sid': sid, identifier: nextPerson() }
    const expected = { status: 400, code: 80607, message: /closed/i }
    await cli.refused('services:sessions:participants:create', late, expected)
  })
  await perform('sessions.reopen', async () => {
    const opened = await cli.one('services:sessions:update', { ...parent, sid, status: 'in-progress' })
    assert.equal(opened.status, 'in-progress')
    assert.equal(opened.closedReason, null)
    assert.equal(opened.dateEnded, null)
  })
  await perform('sessions.delete', async () => {
    await cli.remove('services:sessions', { ...parent, sid })
    await cli.refused('services:sessions:fetch', { ...parent, sid }, notFound)
  })
}
