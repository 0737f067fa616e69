import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRandom } from '../proof/random.ts'
import { checkHistory } from '../proof/s3/checker.ts'
import type { Rule } from '../proof/s3/evidence.ts'
import { FORGERIES } from '../proof/s3/forgeries.ts'
import type { Asked, Change, Found, History, Leg, Member, Shown, Told } from '../proof/s3/history.ts'
import { modelHistory } from './support/modelled-history.ts'

const [ALICE, BOB, CAROL] = ['+14155550141', '+14155550142', '+14155550143']
const [N1, N2, N3, N4] = ['+12025550181', '+12025550182', '+12025550183', '+12025550184']

const person = (identifier: string, proxy: string): Member => ({ sid: `${identifier}${proxy}`, identifier, proxy })
const alice = person(ALICE, N1)
const bob = person(BOB, N2)

/** Everything takes ten milliseconds unless it says otherwise. */
const span = (at: number) => ({ began_at: at, ended_at: at + 10 })
const done = (at: number) => ({ type: 'change' as const, outcome: 'done' as const, status: 200, ...span(at) })
const UNKNOWN = { outcome: 'unknown', status: undefined } as const

const service = (rules: Partial<Extract<Change, { what: 'service' }>['service']> = {}): Change => ({
  ...{ ...done(0), what: 'service' },
  service: { sid: 'KS1', cool_down_ms: 2_000, cool_down_mode: 'best-effort', numbers: [N1, N2, N3], ...rules },
})
const open = (
  at: number,
  session: string,
  members: Member[],
  more: Partial<Extract<Change, { what: 'open' }>> = {},
): Change => ({
  ...{ ...done(at), what: 'open', service: 'KS1', session, members, ends_at: null },
  identifiers: members.map(({ identifier }) => identifier),
  ...more,
})
const close = (at: number, session: string, more: Partial<Change> = {}) =>
  ({ ...done(at), what: 'close', session, ...more }) as Change
const reopen = (at: number, session: string, more: Partial<Change> = {}) =>
  ({ ...done(at), what: 'reopen', session, members: [], ends_at: null, ...more }) as Change
const join = (at: number, session: string, member: Member): Change => ({
  ...{ ...done(at), what: 'join', session, identifier: member.identifier, members: [member] },
})
const leave = (at: number, session: string, member: Member, more: Partial<Change> = {}) =>
  ({ ...done(at), what: 'leave', session, member, ...more }) as Change
const pool = (at: number, what: 'add number' | 'remove number', sid: string, number: string): Change => ({
  ...{ ...done(at), what, service: sid, number },
})

const told = (at: number, event: string, by: Member, more: Partial<Told> = {}): Told => ({
  ...{ type: 'told', kind: 'message', event, from: by.identifier, to: by.proxy },
  ...{ ...span(at), outcome: 'done', status: 200, dials: null, ...more },
})
const called = (at: number, event: string, by: Member, to: Member | undefined, more: Partial<Told> = {}) =>
  told(at, event, by, { kind: 'call', dials: to ? { number: to.identifier, caller_id: to.proxy } : null, ...more })
const leg = (at: number, event: string, to: Member, more: Partial<Leg> = {}): Leg => ({
  ...{ type: 'leg', event, from: to.proxy, to: to.identifier, status: 201, ...span(at) },
  ...more,
})
const asked = (at: number, event: string, answer: Asked['answer']): Asked => ({
  type: 'asked',
  event,
  answer,
  ...span(at),
})
const shown = (at: number, to: Shown['to'], of: string, text: string): Shown => ({ type: 'shown', at, to, of, text })
const found = (session: string, members: Member[], events: string[], status = 'in-progress'): Found => ({
  ...{ type: 'found', at: 60_000, service: 'KS1', session, status, members },
  interactions: events.map((event) => ({ event, outbound_status: null })),
})

const TWO = [service(), open(100, 'S1', [alice, bob])]
const TALK = [...TWO, told(200, 'E1', alice), leg(220, 'E1', bob)]

const rulesIn = (history: History): Rule[] => [...new Set(checkHistory(history).map(({ rule }) => rule))].sort()

test('a history in which everything is as promised has no anomaly', () => {
  const carol = person(CAROL, N3)
  const history = [
    ...TALK,
    ...[
      told(300, 'E2', bob, UNKNOWN),
      told(350, 'E2', bob),
      leg(360, 'E2', alice, { status: 503 }),
      leg(400, 'E2', alice),
    ],
    ...[called(420, 'E3', alice, bob), called(425, 'E3', alice, bob), asked(205, 'E1', 'go on')],
    ...[told(500, 'E4', alice), asked(520, 'E4', 'no'), shown(230, 'partner', 'E1', `To=${BOB}&From=${N2}`)],
    ...[close(1000, 'S1'), told(1100, 'E5', alice), reopen(1500, 'S1'), told(1600, 'E6', alice), leg(1620, 'E6', bob)],
    ...[leave(2000, 'S1', bob), join(2100, 'S1', carol), told(2200, 'E7', alice), leg(2210, 'E7', carol)],
    ...[told(2250, 'E8', bob), shown(2260, 'error', 'S1', 'Participant with address ending 0142 is in use')],
    ...[pool(2300, 'add number', 'KS1', N4), pool(2400, 'remove number', 'KS1', N4)],
    ...[open(3000, 'S2', [person(BOB, N1), person(CAROL, N2)], { ends_at: 4000 }), told(4100, 'E9', person(BOB, N1))],
    found('S1', [alice, carol], ['E1', 'E2', 'E3', 'E4', 'E6', 'E7']),
    found('S2', [person(BOB, N1), person(CAROL, N2)], [], 'closed'),
  ]
  assert.deepEqual(checkHistory(history), [])
  assert.deepEqual(checkHistory(history.toReversed()), [])
})

const WRONG: Record<string, [Rule, History]> = {
  'one person on one number in two sessions at once': ['I1', [...TWO, open(300, 'S2', [alice, person(CAROL, N3)])]],
  'the same, as it is found at the end': [
    'I1',
    [service(), found('S1', [alice, bob], []), found('S2', [alice, person(CAROL, N3)], [])],
  ],
  'a message to somebody else': ['I2', [...TWO, told(200, 'E1', alice), leg(220, 'E1', person(CAROL, N2))]],
  'a message from another number': ['I2', [...TWO, told(200, 'E1', alice), leg(220, 'E1', person(BOB, N1))]],
  'a call to somebody else': ['I2', [...TWO, called(200, 'E1', alice, person(CAROL, N2))]],
  'a message to who came after it was taken up': [
    'I2',
    [...TALK.slice(0, 3), leg(220, 'E1', person(CAROL, N3)), leave(300, 'S1', bob), join(400, 'S1', person(CAROL, N3))],
  ],
  'the number of the sender in what the partner is shown': [
    'I3',
    [...TALK, shown(230, 'partner', 'E1', `From=${N2}&Body=(415) 555-0141`)],
  ],
  'a number in an error': ['I3', [...TWO, shown(230, 'error', 'S1', `${BOB.slice(2)} is in use`)]],
  'a message taken up after a close': ['I4', [...TALK.slice(0, 3), close(210, 'S1'), leg(230, 'E1', bob)]],
  'another try after a close': [
    'I4',
    [...TALK.slice(0, 3), leg(220, 'E1', bob, { status: 503 }), close(300, 'S1'), leg(330, 'E1', bob)],
  ],
  'a message taken up after a deletion': [
    'I4',
    [...TALK.slice(0, 3), { ...done(210), what: 'delete', session: 'S1' }, leg(230, 'E1', bob)],
  ],
  'a message taken up after the partner left': [
    'I4',
    [...TALK.slice(0, 3), leave(210, 'S1', bob), leg(230, 'E1', bob)],
  ],
  'a message taken up after the session ran out': [
    'I4',
    [service(), open(100, 'S1', [alice, bob], { ends_at: 215 }), told(200, 'E1', alice), leg(230, 'E1', bob)],
  ],
  'a call that comes again after a close': [
    'I4',
    [...TWO, called(200, 'E1', alice, undefined, UNKNOWN), close(300, 'S1'), called(400, 'E1', alice, bob)],
  ],
  'a close in a session that is opened again later': [
    'I4',
    [...TALK.slice(0, 3), close(210, 'S1'), leg(230, 'E1', bob), reopen(300, 'S1')],
  ],
  'a number with a new partner at once, in a strict service': [
    'I5',
    [
      service({ cool_down_mode: 'strict' }),
      ...TWO.slice(1),
      close(300, 'S1'),
      open(400, 'S2', [alice, person(CAROL, N3)]),
    ],
  ],
  'a number with a new partner, while another number is free': [
    'I5',
    [...TWO, close(300, 'S1'), open(400, 'S2', [alice, person(CAROL, N3)])],
  ],
  'a number in two pools': ['I6', [...TWO, service({ sid: 'KS2', numbers: [] }), pool(200, 'add number', 'KS2', N1)]],
  'a number of no pool': ['I6', [...TWO, open(300, 'S2', [person(CAROL, N4), person(BOB, N3)])]],
  'a number that has left the pool': [
    'I6',
    [...TWO, pool(200, 'remove number', 'KS1', N3), open(300, 'S2', [person(CAROL, N3), person(BOB, N1)])],
  ],
  'a message that nobody sent': ['I7', [...TWO, leg(220, 'E1', bob)]],
  'a message of somebody who is in no session': [
    'I7',
    [...TWO, told(200, 'E1', person(CAROL, N1)), leg(220, 'E1', bob)],
  ],
  'a message told after the close': ['I7', [...TWO, close(150, 'S1'), told(200, 'E1', alice), leg(220, 'E1', bob)]],
  'a message told and sent before the session': ['I7', [...TWO, told(50, 'E1', alice), leg(70, 'E1', bob)]],
  'a message that was refused': [
    'I7',
    [...TWO, told(200, 'E1', alice, { outcome: 'refused', status: 403 }), leg(220, 'E1', bob)],
  ],
  'a message twice': ['I8', [...TALK, leg(300, 'E1', bob)]],
  'a message twice, the first time without an answer': [
    'I8',
    [...TWO, told(200, 'E1', alice), leg(220, 'E1', bob, { status: undefined, is_taken: true }), leg(300, 'E1', bob)],
  ],
  'two people dialled by one call': [
    'I8',
    [...TWO, called(200, 'E1', alice, bob), leave(300, 'S1', bob), join(320, 'S1', person(CAROL, N3))].concat(
      called(400, 'E1', alice, person(CAROL, N3)),
    ),
  ],
  'a message on record in two sessions': [
    'I8',
    [
      ...[...TALK, open(300, 'S2', [person(BOB, N1), person(CAROL, N3)]), close(400, 'S2')],
      ...[found('S1', [alice, bob], ['E1']), found('S2', [], ['E1'], 'closed')],
    ],
  ],
  'a message that the customer forbade': ['intercept', [...TALK, asked(212, 'E1', 'no')]],
  'a call that the customer forbade': ['intercept', [...TWO, called(200, 'E1', alice, bob), asked(202, 'E1', 'no')]],
  'a message that is never sent': ['lost', [...TALK.slice(0, 3), found('S1', [alice, bob], ['E1'])]],
  'a message that is never sent after it came back': [
    'lost',
    [...TALK.slice(0, 3), leg(220, 'E1', bob, { status: 503 }), found('S1', [alice, bob], ['E1'])],
  ],
  'a message that is not on record': ['lost', [...TALK, found('S1', [alice, bob], [])]],
  'a call that is not put through': [
    'lost',
    [...TWO, called(200, 'E1', alice, undefined), found('S1', [alice, bob], ['E1'])],
  ],
  'a close that is undone': ['lost', [...TWO, close(300, 'S1'), found('S1', [alice, bob], [])]],
  'a session that nobody closed': ['lost', [...TWO, found('S1', [alice, bob], [], 'closed')]],
  'somebody who was not removed after all': ['lost', [...TWO, leave(300, 'S1', bob), found('S1', [alice, bob], [])]],
  'somebody who is missing': ['lost', [...TWO, found('S1', [alice], [])]],
}

for (const [what, [rule, history]] of Object.entries(WRONG)) {
  test(`it reports ${what}`, () => {
    assert.deepEqual(rulesIn(history), [rule])
    for (const { says, entries, at } of checkHistory(history)) {
      assert.match(says, /^[A-Z+].*\.$/)
      assert.ok(at > 0 && entries.length > 0 && entries.every((entry) => history.includes(entry)), says)
    }
  })
}

const LATE = { ...UNKNOWN, began_at: 210, ended_at: 215 }

const RIGHT: Record<string, History> = {
  'a message after a close of which nobody heard whether it came about': [
    ...[...TALK.slice(0, 3), close(210, 'S1', UNKNOWN), leg(5_000, 'E1', bob)],
  ],
  'a message that is not sent after such a close': [
    ...[...TALK.slice(0, 3), close(210, 'S1', UNKNOWN), found('S1', [alice, bob], ['E1'], 'closed')],
  ],
  'a message taken up before the close was answered': [
    ...[...TALK.slice(0, 3), { ...close(210, 'S1'), ended_at: 240 }, leg(230, 'E1', bob, { ended_at: 9_000 })],
  ],
  'a message in the millisecond in which the close was answered': [
    ...TALK.slice(0, 3),
    close(210, 'S1'),
    leg(220, 'E1', bob),
  ],
  'a message in a session that was opened again': [
    ...[...TALK.slice(0, 3), close(210, 'S1'), reopen(300, 'S1', UNKNOWN), leg(400, 'E1', bob)],
  ],
  'a message in a session whose opening nobody heard of': [
    ...[service(), open(100, 'S1', [], { ...UNKNOWN, identifiers: [ALICE, BOB] }), told(9_000, 'E1', alice)],
    leg(9_020, 'E1', bob),
  ],
  'a message to one of two who changed places while it was on the way': [
    ...[
      ...TWO,
      { ...told(200, 'E1', alice), ended_at: 400 },
      leave(210, 'S1', bob),
      join(250, 'S1', person(CAROL, N3)),
    ],
    leg(420, 'E1', person(CAROL, N3)),
  ],
  'a message that was told again after its partner had come': [
    ...[service(), open(100, 'S1', [alice]), told(200, 'E1', alice, UNKNOWN), join(300, 'S1', bob)],
    ...[told(400, 'E1', alice), leg(420, 'E1', bob)],
  ],
  'another try after the carrier did not take it': [
    ...TWO,
    told(200, 'E1', alice),
    leg(220, 'E1', bob, { status: 503 }),
    leg(900, 'E1', bob),
  ],
  'another try after the carrier broke the line': [
    ...[
      ...TWO,
      told(200, 'E1', alice),
      leg(220, 'E1', bob, { status: undefined, is_taken: false }),
      leg(900, 'E1', bob),
    ],
  ],
  'a message that the carrier refused': [
    ...[...TALK.slice(0, 3), leg(220, 'E1', bob, { status: 400 }), found('S1', [alice, bob], ['E1'])],
  ],
  'a message that may have been forbidden': [
    ...TALK.slice(0, 3),
    asked(210, 'E1', 'silence'),
    found('S1', [alice, bob], ['E1']),
  ],
  'a message that was let pass when the customer was asked again': [
    ...TALK,
    asked(205, 'E1', 'no'),
    asked(212, 'E1', 'fault'),
  ],
  'a pair that is given away while a close of it is on the way': [
    ...[...TWO, { ...close(200, 'S1', LATE) }, open(5_000, 'S2', [alice, person(CAROL, N3)], { is_named: true })],
  ],
  'a pair that is given away as soon as its session ran out': [
    ...[
      service(),
      open(100, 'S1', [alice, bob], { ends_at: 3_000 }),
      open(2_995, 'S2', [alice, person(CAROL, N3)], { is_named: true }),
    ],
  ],
  'two who meet again on their numbers at once': [...TWO, close(300, 'S1'), open(400, 'S2', [alice, bob])],
  'a number with a new partner after the cool-down': [
    ...TWO,
    close(300, 'S1'),
    open(2_400, 'S2', [alice, person(CAROL, N3)]),
  ],
  'a number with a new partner when the others are in use': [
    ...[service({ numbers: [N1, N2] }), ...TWO.slice(1), open(200, 'S3', [person(ALICE, N2), person(CAROL, N1)])],
    ...[close(300, 'S1'), open(400, 'S2', [alice, person('+14155550144', N2)])],
  ],
  'a number that the client named': [
    ...TWO,
    close(300, 'S1'),
    open(400, 'S2', [alice, person(CAROL, N3)], { is_named: true }),
  ],
  'a number that went from one pool to another': [
    ...[
      ...TWO,
      service({ sid: 'KS2', numbers: [] }),
      pool(200, 'remove number', 'KS1', N3),
      pool(230, 'add number', 'KS2', N3),
    ],
  ],
  'somebody who may have been removed': [...TWO, leave(300, 'S1', bob, UNKNOWN), found('S1', [alice], [])],
  'a session that ran out with the time since its last message': [
    ...[service(), open(100, 'S1', [alice, bob], { ttl_ms: 1_000 }), found('S1', [alice, bob], [], 'closed')],
  ],
}

for (const [what, history] of Object.entries(RIGHT)) {
  test(`it does not report ${what}`, () => {
    assert.deepEqual(checkHistory(history), [])
  })
}

const seed = fc.integer({ min: 0, max: 2 ** 31 - 1 })

test('of a service that keeps its promises no history is reported, whatever was not answered', () => {
  const seen = { legs: 0, dials: 0, unknown: 0 }
  fc.assert(
    fc.property(seed, (drawn) => {
      const history = modelHistory(createRandom(drawn))
      for (const entry of history) {
        if (entry.type === 'leg') seen.legs++
        if (entry.type === 'told' && entry.dials) seen.dials++
        if ('outcome' in entry && entry.outcome === 'unknown') seen.unknown++
      }
      assert.deepEqual(checkHistory(history), [])
    }),
    { numRuns: 1_000 },
  )
  assert.ok(seen.legs > 1_000 && seen.dials > 500 && seen.unknown > 5_000, JSON.stringify(seen))
})

test('whatever is forged in such a history is reported by its rule', () => {
  const placed = new Map(FORGERIES.map(({ name }) => [name, 0]))
  fc.assert(
    fc.property(seed, (drawn) => {
      const history = modelHistory(createRandom(drawn))
      for (const { name, rule, forge } of FORGERIES) {
        const times = placed.get(name) ?? 0
        const forged = times < 15 && forge(history, createRandom(drawn))
        if (!forged) continue
        placed.set(name, times + 1)
        assert.ok(rulesIn(forged).includes(rule), `${rule}: ${name}`)
      }
    }),
    // The forgery with the fewest places has one in every twelfth history.
    { numRuns: 150 },
  )
  assert.deepEqual(
    [...placed].filter(([, times]) => times === 0),
    [],
  )
})
