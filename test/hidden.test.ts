import assert from 'node:assert/strict'
import { test } from 'node:test'
import Type from 'typebox'
import { createLeakScan } from '../proof/leak-scan.ts'
import { hideNumbers } from '../src/core/e164.ts'
import { maskFor } from '../src/http/api/mask.ts'
import { Message, Nullable, OneOf, Plain, SidOf } from '../src/http/api/present.ts'
import { allBut, askedByKey } from './support/callers.ts'
import { heard } from './support/conversation.ts'
import { type ApiOperation, fillPath, makeTree, operationsOf, type Tree } from './support/hostile.ts'
import {
  addPerson,
  assertRefused,
  makeService,
  openSession,
  participant,
  rows,
  serverForFile,
} from './support/proxy-api.ts'
import { type Answer, person, type TestServer } from './support/server.ts'

const shared = serverForFile()

// What callers without the scope `pii` see. The canaries are people's numbers, in any disguise, and what they wrote.
const ALICE = person(1)
const PEOPLE = [1, 2, 3, 4, 5].map(person)
const WORDS = ['heliotrope', 'quincunx', 'palimpsest', 'zeugma']
const [TYPED = '', STORED = '', OFFICE = '', STRANGER = ''] = WORDS

const leaks = createLeakScan(PEOPLE)
const findCanaries = (text: string) => [
  ...leaks(text).map(({ person: who, as }) => `${who} as ${as}`),
  ...WORDS.filter((word) => text.includes(word)),
]

/** A session in which was written, a call that was recorded, strangers, and refusals that name somebody. */
async function makeScenario(server: TestServer): Promise<Tree> {
  const tree = await makeTree(server)
  const session = { path: `${tree.path}/Sessions/${tree.sids.Sessions}` }
  const { participants } = (await server.get(`${session.path}/Participants`)).body
  const [alice, bob] = participants as { sid: string; identifier: string; proxy_identifier: string }[]
  assert(alice && bob)
  await server.text(alice.identifier, alice.proxy_identifier, TYPED)
  await heard(server, bob, TYPED)
  await server.text(PEOPLE[2] ?? '', alice.proxy_identifier, STRANGER)
  const sent = await server.post(`${session.path}/Participants/${alice.sid}/MessageInteractions`, { Body: OFFICE })
  assert.equal(sent.status, 200, sent.text)
  const { Interactions = '' } = tree.sids
  const sealed = server.store.keys.seal(`${Interactions}/data`, STORED)
  await rows(server, 'update interactions set data_sealed = $2 where sid = $1', [Interactions, sealed])
  // Both numbers of the pool are taken for somebody in two sessions; the third finds none.
  for (let at = 0; at < 2; at++) await addPerson(server, await openSession(server, tree), PEOPLE[3] ?? '')
  const third = await openSession(server, tree)
  const refused = await server.post(`${third.path}/Participants`, { Identifier: PEOPLE[3] ?? '' })
  assertRefused(refused, 400, 80208, /\+1415555XXXX/)
  return tree
}

const PARAMETERS: Record<string, string> = {
  FriendlyName: 'somebody',
  Identifier: PEOPLE[4] ?? '',
  Query: ALICE,
  Body: OFFICE,
  Participants: participant(PEOPLE[4] ?? ''),
  Ttl: '3600',
}

/** Reads first, then changes, then deletes what is innermost first. */
const inOrder = (operations: ApiOperation[]) => {
  const rank = { GET: 0, POST: 1, DELETE: 2 } as Record<string, number>
  return operations.toSorted(
    (a, b) =>
      (rank[a.method] ?? 0) - (rank[b.method] ?? 0) ||
      (a.method === 'DELETE' ? b.template.length - a.template.length : 0),
  )
}

/** Calls every operation, and once more with what will be refused; by operation, the canaries in what came. */
async function callEverything(as: TestServer, tree: Tree) {
  const found = new Map<string, string[]>()
  const statuses = new Map<string, number>()
  for (const { method, template } of inOrder(await operationsOf(as))) {
    const name = `${method} ${template}`
    const path = fillPath(template, tree)
    const ask = (params: Record<string, string>) =>
      method === 'POST' ? as.post(path, params) : as.call(path, { method })
    const answers = [await ask(PARAMETERS)]
    if (method === 'POST') answers.push(await ask({ ...PARAMETERS, Identifier: `${ALICE}0` }))
    if (method === 'POST') answers.push(await ask({ ...PARAMETERS, Identifier: PEOPLE[3] ?? '' }))
    statuses.set(name, answers[0]?.status ?? 0)
    found.set(name, answers.map(written).flatMap(findCanaries))
  }
  return { found, statuses }
}

const written = ({ headers, text }: Answer) => `${[...headers].map((header) => header.join(': ')).join('\n')}\n${text}`

test('a key without pii finds no number of anybody and nothing of what they wrote in any answer', async () => {
  const server = await shared()
  const tree = await makeScenario(server)
  const blind = await askedByKey(server, { scopes: allBut('pii', 'reveal') })
  const { found, statuses } = await callEverything(blind, tree)
  assert.deepEqual(
    [...found].filter(([, canaries]) => canaries.length > 0),
    [],
  )
  // Refusals hide everything, so they have to be few: what cannot be hidden, what is not for keys without pii, and other keys.
  const refused = [...statuses].filter(([name, status]) => status === 403 && !name.includes('/Keys'))
  assert.deepEqual(
    refused.map(([name]) => name.split('/').at(-1)),
    ['Media', 'Reveal', 'Reveal', 'Export', 'Accounts'],
  )
  const failed = [...statuses].filter(([name, status]) => name.startsWith('GET') && status !== 200 && status !== 403)
  assert.deepEqual(failed, [])
})

test('control: with pii the canaries are found wherever they are', async () => {
  const server = await shared()
  const tree = await makeScenario(server)
  const seeing = await askedByKey(server, { type: 'main' })
  const { found } = await callEverything(seeing, tree)
  const telling = [...found].filter(([, canaries]) => canaries.length > 0).map(([name]) => name)
  const session = '/v1/Services/{ServiceSid}/Sessions/{SessionSid}'
  for (const path of [
    `GET ${session}/Participants`,
    `GET ${session}/Participants/{ParticipantSid}`,
    `GET ${session}/Interactions`,
    `GET ${session}/Interactions/{Sid}`,
    `GET ${session}/Participants/{ParticipantSid}/MessageInteractions`,
    `POST ${session}/Participants/{ParticipantSid}/MessageInteractions`,
    'GET /maskline/v1/Interactions',
    'GET /maskline/v1/Interactions/{InteractionSid}',
    'GET /maskline/v1/Interactions/{InteractionSid}/Trace',
    'POST /maskline/v1/Search',
    `POST /maskline${session}/Participants/{ParticipantSid}/Reveal`,
    `POST /maskline${session}/Interactions/{InteractionSid}/Reveal`,
  ]) {
    assert.ok(telling.includes(path), `${path} shows nothing`)
  }
})

test('what is hidden keeps its form: numbers as in logs, data that clients parse, and how long a call was', async () => {
  const server = await shared()
  const tree = await makeScenario(server)
  const blind = await askedByKey(server, { scopes: ['sessions:write', 'sessions:read', 'interactions:read'] })
  const path = `${tree.path}/Sessions/${tree.sids.Sessions}`
  const { participants } = (await blind.get(`${path}/Participants`)).body
  assert.deepEqual(
    participants.map(({ identifier }: { identifier: string }) => identifier),
    ['+1415•••0131', '+1415•••0132'],
  )
  const session = await openSession(server, tree)
  const made = await blind.post(`${session.path}/Participants`, { Identifier: PEOPLE[4] ?? '' })
  assert.deepEqual([made.status, made.body.identifier], [201, '+1415•••0135'])
  assert.equal((await server.get(`${session.path}/Participants/${made.body.sid}`)).body.identifier, PEOPLE[4])

  const sid = tree.sids.Interactions
  assert.equal((await blind.get(`${path}/Interactions/${sid}`)).body.data, '{"body":"•••"}')
  await rows(server, `update interactions set type = 'voice', data_sealed = null, duration_s = 7 where sid = $1`, [sid])
  assert.equal((await blind.get(`${path}/Interactions/${sid}`)).body.data, '{"duration":"7"}')
})

test('what is set of a service, whom it blocks as far as anybody is shown, and what a deed was about can be seen without pii', async () => {
  const server = await shared()
  const blind = await askedByKey(server, { scopes: ['services:write', 'services:read', 'audit:read'] })
  const { sid } = await makeService(server, 1)
  const path = `/maskline/v1/Services/${sid}`
  const set = await blind.post(`${path}/Settings`, {
    ...{ ContentGuardNotice: 'Please stay here.', AllowedDomains: ['shop.example'], PaymentWords: ['gift card'] },
  })
  const { content_guard_notice, allowed_domains, payment_words } = set.body
  assert.deepEqual(
    [content_guard_notice, allowed_domains, payment_words],
    ['Please stay here.', ['shop.example'], ['gift card']],
  )
  const blocked = await blind.post(`${path}/BlockedNumbers`, { PhoneNumber: ALICE })
  assert.equal(blocked.body.phone_number, '+1415•••0131')
  const { entries } = (await blind.get(`/maskline/v1/AuditLog?ResourceSid=${sid}&Action=service.update`)).body
  assert.deepEqual(
    entries.map(({ details }: { details: object }) => details),
    [{ fields: 'allowed_domains content_guard_notice payment_words' }],
  )
})

test('messages of errors and events do not complete what is left of a number elsewhere', async () => {
  const server = await shared()
  const tree = await makeScenario(server)
  const blind = await askedByKey(server, { scopes: ['events:read', 'sessions:write'] })
  const events = async (as: TestServer) =>
    (await as.get(`/maskline/v1/Events?ServiceSid=${tree.sids.Services}&ErrorCode=80208`)).body.events[0].message
  assert.match(await events(server), /for \+1415555XXXX\./)
  assert.match(await events(blind), /for •••\./)
  const third = await openSession(server, tree)
  const refused = await blind.post(`${third.path}/Participants`, { Identifier: PEOPLE[3] ?? '' })
  assertRefused(refused, 400, 80208, /for •••\./)

  for (const [text, hidden] of [
    ['for +1415555XXXX. Add', 'for •••. Add'],
    ['whatsapp:+1415555XXXX does', 'whatsapp:••• does'],
    ['(415) 555-XXXX does', '••• does'],
    ['call +1 415 555 0131 now', 'call ••• now'],
    ['more than 1600 characters, at most 100.', 'more than 1600 characters, at most 100.'],
    [`Session KC${'1'.repeat(32)} has no partner`, `Session KC${'1'.repeat(32)} has no partner`],
  ] as const) {
    assert.equal(hideNumbers(text), hidden)
  }
})

test('a field is hidden until its schema says that it is harmless', () => {
  const mask = maskFor(
    Type.Object({
      sid: SidOf('KP'),
      status: OneOf(['open']),
      count: Type.Integer(),
      note: Type.String(),
      names: Type.Array(Type.String()),
      more: Nullable(Type.Object({ plain: Plain, text: Nullable(Type.String()) })),
      details: Type.Record(Type.String(), Type.Unknown()),
      said: Message,
      none: Nullable(Type.String()),
    }),
  )
  const shown = { sid: 'KP1', status: 'open', count: 3, none: null }
  const body = {
    ...shown,
    note: 'private',
    names: ['one', 'two'],
    more: { plain: 'shown', text: 'private', added: 'private' },
    details: { any: 'private' },
    said: 'about +14155550131',
    added: 'private',
    also: { deep: 'private' },
  }
  assert.deepEqual(mask(body), {
    ...shown,
    note: '•••',
    names: ['•••', '•••'],
    more: { plain: 'shown', text: '•••', added: '•••' },
    details: {},
    said: 'about •••',
    added: '•••',
    also: {},
  })
})

test('a reveal shows one thing and is on record with who asked for it and why', async () => {
  const server = await shared()
  const tree = await makeScenario(server)
  const helpdesk = await askedByKey(server, { scopes: ['reveal'] })
  const session = `/maskline/v1/Services/${tree.sids.Services}/Sessions/${tree.sids.Sessions}`
  const where = { service_sid: tree.sids.Services, session_sid: tree.sids.Sessions, account_sid: server.account.sid }
  const audited = (action: string) =>
    rows(server, 'select * from audit_log where action = $1 and service_sid = $2', [action, tree.sids.Services])

  const who = await helpdesk.post(`${session}/Participants/${tree.sids.Participants}/Reveal`, { Reason: 'Lost keys' })
  assert.deepEqual(who.body, { sid: tree.sids.Participants, ...where, identifier: ALICE })
  const [first] = await audited('participant.reveal')
  assert.equal(first.resource_sid, tree.sids.Participants)
  assert.deepEqual(first.details, { session_sid: tree.sids.Sessions, reason: 'Lost keys' })

  const path = `${session}/Interactions/${tree.sids.Interactions}/Reveal`
  for (const time of [1, 2]) {
    const what = await helpdesk.post(path, {}, { 'Idempotency-Key': 'once' })
    assert.deepEqual(what.body, { sid: tree.sids.Interactions, ...where, data: `{"body":"${STORED}"}` })
    assert.equal((await audited('interaction.reveal')).length, time, 'every time is on record')
  }
  assertRefused(await helpdesk.get(`${session.replace('/maskline', '')}/Participants`), 403, 20006)
  await rows(server, 'alter table audit_pending rename to audit_pending_away')
  const unrecorded = await helpdesk.post(path)
  await rows(server, 'alter table audit_pending_away rename to audit_pending')
  assertRefused(unrecorded, 500, 20500)
})
