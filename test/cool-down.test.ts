import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heard } from './support/conversation.ts'
import {
  BEGINNINGS,
  ENDINGS,
  end,
  lateReplies,
  letPass,
  meet,
  newStranger,
  relayed,
  setCoolDown,
  trio,
} from './support/late-reply.ts'
import { addNumber, addPerson, assertRefused, makeService, openSession, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'

const shared = serverForFile()

/** The default. */
const COOL_DOWN_S = 3 * 86_400

test('a late reply does not reach the new partner, however the first session ended and the second began', async () => {
  const server = await shared()
  for (const ending of ENDINGS) {
    for (const beginning of BEGINNINGS) {
      const service = await makeService(server, 2)
      const [alice, bob, carol] = trio()
      const first = await meet(server, service, [alice, bob])
      await end(server, first, ending)
      const second = await meet(server, service, [alice, carol], beginning)
      assert.notEqual(second.numbers[0], first.numbers[0], `${ending}, ${beginning}`)
      assert.equal(await relayed(server, service, await server.text(alice, first.numbers[0], 'Late')), false)
      assert.equal(await relayed(server, service, await server.text(alice, second.numbers[0], 'Now')), true)
    }
  }
})

test('of many late replies within the cool-down none reaches the new partner', async () => {
  assert.equal(await lateReplies(await shared(), { times: 48 }), 0)
})

test('control: without a cool-down late replies do reach the new partner', async () => {
  const reached = await lateReplies(await shared(), { times: 24, settings: { CoolDown: '0' } })
  assert.ok(reached >= 12, `${reached} of 24`)
})

test('two people who meet again have their numbers again, and one by one the second of them has', async () => {
  const server = await shared()
  for (const ending of ['closed', 'run out', 'removed'] as const) {
    const service = await makeService(server, 4)
    const [alice, bob] = trio()
    const first = await meet(server, service, [alice, bob])
    await end(server, first, ending)
    const again = await meet(server, service, [alice, bob])
    assert.deepEqual(again.numbers, first.numbers, ending)
    await end(server, again, 'closed')
    const once_more = await meet(server, service, [alice, bob], 'one by one')
    assert.equal(once_more.numbers[1], first.numbers[1], ending)
    assert.notEqual(once_more.numbers[0], first.numbers[0], 'the second could have been anybody')
  }
})

test('a number is held against each partner but one, and against everybody after a third', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const [alice, bob, carol] = trio()
  for (const partner of [bob, carol]) {
    await end(server, await meet(server, service, [alice, partner]), 'closed')
  }
  const fresh = await addNumber(server, service)
  const again = await meet(server, service, [alice, bob])
  assert.equal(again.numbers[0], fresh.phone_number, 'Carol was reached there since')
})

test('of a session in which the partner changed, a number is for neither of the two again', async () => {
  const server = await shared()
  for (const ending of ['closed', 'deleted'] as const) {
    const service = await makeService(server, 1)
    await setCoolDown(server, service, { CoolDownMode: 'strict' })
    const [alice, bob, carol] = trio()
    const first = await meet(server, service, [alice, bob])
    const { participants } = (await server.get(`${first.session.path}/Participants`)).body
    await server.delete(`${first.session.path}/Participants/${participants[1].sid}`)
    await addPerson(server, first.session, carol)
    await end(server, first, ending)
    for (const partner of [bob, carol]) {
      const Participants = [alice, partner].map((Identifier) => JSON.stringify({ Identifier }))
      assertRefused(await server.post(`${service.path}/Sessions`, { Participants }), 400, 80208)
    }
  }
})

test('one person alone in a session leaves a number behind that is not for whoever comes next', async () => {
  const server = await shared()
  for (const ending of ['closed', 'deleted'] as const) {
    const service = await makeService(server, 2)
    const [alice, bob] = trio()
    const session = await openSession(server, service)
    const { proxy_identifier } = await addPerson(server, session, alice)
    await end(server, { session, people: [alice, bob], numbers: [proxy_identifier, ''] }, ending)
    assert.notEqual((await meet(server, service, [alice, bob], 'one by one')).numbers[0], proxy_identifier, ending)

    const strict = await makeService(server, 1)
    await setCoolDown(server, strict, { CoolDownMode: 'strict' })
    const alone = await openSession(server, strict)
    const met = await addPerson(server, alone, alice)
    await end(server, { session: alone, people: [alice, bob], numbers: [met.proxy_identifier, ''] }, ending)
    const next = await openSession(server, strict)
    assertRefused(await server.post(`${next.path}/Participants`, { Identifier: alice }), 400, 80208, /CoolDown/)
  }
})

test('once the cool-down is over the number is the preferred one again', async () => {
  const server = await shared()
  for (const [passed, isBack] of [
    [COOL_DOWN_S - 60, false],
    [COOL_DOWN_S + 1, true],
  ] as const) {
    const service = await makeService(server, 3)
    const [alice, bob, carol] = trio()
    const first = await meet(server, service, [alice, bob])
    await end(server, first, 'closed')
    await letPass(server, service, passed)
    const second = await meet(server, service, [alice, carol])
    assert.equal(second.numbers[0] === first.numbers[0], isBack, `${passed} seconds later`)
  }
})

test('when all numbers are cooling down the one released longest ago is given', async () => {
  const server = await shared()
  const service = await makeService(server, 3)
  const alice = newStranger()
  const given: string[] = []
  for (let at = 0; at < 7; at++) {
    const met = await meet(server, service, [alice, newStranger()], BEGINNINGS[at % 3])
    given.push(met.numbers[0])
    await end(server, met, ENDINGS[at % 4] ?? 'closed')
    // The release is when the run-out session is found to be over, which is at the next create at the latest.
    await letPass(server, service, 60)
  }
  const first = given.slice(0, 3)
  assert.equal(new Set(first).size, 3)
  assert.deepEqual(given, [...first, ...first, first[0]])
})

test('best effort: whoever names a number has it', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const [alice, bob, carol] = trio()
  const first = await meet(server, service, [alice, bob])
  await end(server, first, 'closed')
  const session = await openSession(server, service)
  const named = await addPerson(server, session, alice, { ProxyIdentifier: first.numbers[0] })
  assert.equal(named.proxy_identifier, first.numbers[0])
  await addPerson(server, session, carol)
})

test('whoever dials a number by themselves is bound to it by auto-create, and the partner is still kept from theirs', async (t) => {
  const server = await shared()
  const receiver = await startReceiver(t)
  const service = await makeService(server, 2, { OutOfSessionCallbackUrl: receiver.url })
  await setCoolDown(server, service, { CoolDownMode: 'strict' })
  const [alice, bob, carol] = trio()
  const first = await meet(server, service, [alice, bob])
  const second = await meet(server, service, [bob, carol])
  for (const met of [first, second]) await end(server, met, 'closed')
  const [wanted, free] = [carol, service.numbers.find(({ phone_number }) => phone_number !== second.numbers[1])]
  receiver.answer = () => ({
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ participantIdentifier: wanted }),
  })
  await server.text(alice, first.numbers[0], 'Anybody there?')
  const { from } = await heard(server, { identifier: carol }, 'Anybody there?')
  assert.equal(from, free?.phone_number, 'the number by which Carol did not reach Bob')
})

test('strict: a person without another number is refused with what to do, and it is on record', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  await setCoolDown(server, service, { CoolDownMode: 'strict' })
  const [alice, bob, carol] = trio()
  const first = await meet(server, service, [alice, bob])
  await end(server, first, 'closed')

  const Participants = [alice, carol].map((Identifier) => JSON.stringify({ Identifier }))
  const refusal = await server.post(`${service.path}/Sessions`, { Participants })
  const masked = alice.replace(/\d{4}$/, 'XXXX')
  assertRefused(refusal, 400, 80208, new RegExp(`for \\${masked}\\. The CoolDown of this service .* wait, or lower`))
  const { events } = (await server.get(`/maskline/v1/Events?ErrorCode=80208&ServiceSid=${service.sid}`)).body
  assert.deepEqual([events.length, events[0].message], [1, refusal.body.message])

  const session = await openSession(server, service)
  const add = (params: Record<string, string>) => server.post(`${session.path}/Participants`, params)
  assertRefused(await add({ Identifier: alice }), 400, 80208, /CoolDown/)
  assertRefused(await add({ Identifier: alice, ProxyIdentifier: first.numbers[0] }), 400, 80208, /CoolDown/)
  assert.equal((await add({ Identifier: carol })).status, 201, 'who has not used the number may')

  assert.deepEqual((await meet(server, service, [alice, bob])).numbers, first.numbers, 'those who meet again may')
  const other = await makeService(server, 2)
  await setCoolDown(server, other, { CoolDownMode: 'strict' })
  const before = await meet(server, other, [alice, bob])
  await end(server, before, 'deleted')
  assert.notEqual((await meet(server, other, [alice, carol])).numbers[0], before.numbers[0], 'another number is free')
})

test('strict: a named number is judged with the partner, at once or when the partner comes', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const [alice, bob, carol] = trio()
  const first = await meet(server, service, [alice, bob])
  await end(server, first, 'closed')
  const session = await openSession(server, service)
  await addPerson(server, session, alice, { ProxyIdentifier: first.numbers[0] })
  await setCoolDown(server, service, { CoolDownMode: 'strict' })
  const words = new RegExp(`for \\${alice.replace(/\d{4}$/, 'XXXX')}\\. The CoolDown`)
  assertRefused(await server.post(`${session.path}/Participants`, { Identifier: carol }), 400, 80208, words)
  await addPerson(server, session, bob)

  await end(server, { ...first, session }, 'closed')
  const third = await openSession(server, service)
  await addPerson(server, third, bob)
  await addPerson(server, third, alice, { ProxyIdentifier: first.numbers[0] })
})

test('strict: a re-open regains its numbers unless somebody else was reached by one of them since', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const [alice, bob, carol] = trio()
  const reopen = (path: string) => server.post(path, { Status: 'in-progress' })
  const first = await meet(server, service, [alice, bob])
  await end(server, first, 'closed')
  await setCoolDown(server, service, { CoolDownMode: 'strict' })
  await end(server, await meet(server, service, [alice, bob]), 'closed')
  assert.equal((await reopen(first.session.path)).status, 200)
  await end(server, first, 'closed')

  await setCoolDown(server, service, { CoolDownMode: '' })
  await end(server, await meet(server, service, [alice, carol]), 'closed')
  await setCoolDown(server, service, { CoolDownMode: 'strict' })
  assertRefused(await reopen(first.session.path), 400, 80208, /CoolDown/)
  assert.equal((await server.get(first.session.path)).body.status, 'closed')
  await setCoolDown(server, service, { CoolDownMode: '' })
  assert.equal((await reopen(first.session.path)).status, 200)
})
