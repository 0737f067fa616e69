import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CALL_STATUSES, MESSAGE_STATUSES } from '../src/core/carrier.ts'
import { CATALOGUE } from '../src/core/errors.ts'
import { NOT_PASSED } from '../src/core/relay.ts'
import { readLegLog } from '../src/core/trace/leg-log.ts'
import { type Facts, NO_FACTS, reasonOf, type Verdict, verdictOf } from '../src/core/trace/verdict.ts'
import { VERDICT_CODES, VERDICTS } from '../src/core/trace/verdicts.ts'
import type { Interaction, Outcome, Stage } from '../src/db/schema.ts'

// Every row that there can be, and some that there cannot, has a verdict; and every verdict is that of some row.

const OUTCOMES: Outcome[] = [
  ...(['relayed', 'sent', 'blocked', 'out-of-session', 'no-partner', 'opt-out', 'mode-mismatch', 'deleted'] as const),
]
const STAGES: (Stage | null)[] = [null, 'out-of-session', 'intercept', 'send', 'announce', 'rejoin']
const CODES = [null, 21610, 21620, 80613, 30003, 13224, 99999]
const NOW = new Date('2030-01-31T12:00:00Z')
const LONG_AGO = new Date('2030-01-01T12:00:00Z')

const rowOf = (more: Partial<Interaction>): Interaction =>
  ({
    ...{ service_sid: 'KS1', sid: 'KI1', account_sid: 'AC1', type: 'message', origin: 'inbound', outcome: 'relayed' },
    ...{ outbound_resource_status: null, outbound_carrier_id: null, outbound_number: '+12025550180', error_code: null },
    ...{ stage: null, due_at: null, attempts: 0, send_started_at: null, duration_s: null, answered_at: null },
    ...{ content_found: null, leg_log: '', num_media: 0, date_created: NOW, date_updated: NOW, ...more },
  }) as Interaction

const judge = (row: Partial<Interaction>, facts: Partial<Facts> = {}): Verdict =>
  verdictOf(rowOf(row), { ...NO_FACTS, now: NOW, ...facts })

function* everyRow(): Generator<[Partial<Interaction>, Partial<Facts>]> {
  for (const type of ['message', 'voice'] as const)
    for (const outcome of OUTCOMES)
      for (const status of [null, ...MESSAGE_STATUSES, ...CALL_STATUSES, 'no status of ours'])
        for (const stage of STAGES)
          for (const due_at of [null, NOW])
            for (const error_code of CODES)
              yield [{ type, outcome, outbound_resource_status: status, stage, due_at, error_code }, {}]
}

/** What tells verdicts apart that one combination of columns would not. */
const event = (error_code: number, message = '') => ({ events: [{ error_code, message }] })
const PARTICULAR: Record<string, [Partial<Interaction>, Partial<Facts>?][]> = {
  'being-sent': [[{ stage: 'send', due_at: NOW, attempts: 1 }]],
  'waiting-for-retry': [[{ stage: 'send', due_at: NOW, attempts: 1, leg_log: 'later@1893456000000 ' }]],
  'outcome-unknown': [[{ stage: 'send', due_at: NOW, attempts: 1, leg_log: 'unknown@1893456000000:20503 ' }]],
  'never-reported': [
    [{ outbound_resource_status: 'sent', date_updated: LONG_AGO }],
    [{ outbound_resource_status: 'queued', date_updated: LONG_AGO }],
  ],
  'call-lasts': [[{ type: 'voice', outbound_resource_status: 'initiated', answered_at: NOW }]],
  'call-at-limit': [
    [{ type: 'voice', outbound_resource_status: 'completed', duration_s: 600 }, { max_duration_s: 600 }],
  ],
  'given-up': [[{ outbound_resource_status: 'failed', error_code: 80613, attempts: 12 }]],
  'nothing-left': [[{ outbound_resource_status: 'failed', error_code: 21620, num_media: 1 }]],
  'carrier-failed': [[{ outbound_resource_status: 'failed', outbound_carrier_id: 'SM1' }]],
  'carrier-canceled': [[{ outbound_resource_status: 'canceled', outbound_carrier_id: 'SM1' }]],
  'session-expired': [
    [{ outbound_resource_status: 'canceled' }, { closed_reason: 'ttl' }],
    [{ outbound_resource_status: 'canceled' }, { closed_reason: 'date-expiry' }],
  ],
  'participant-removed': [[{ outbound_resource_status: 'canceled' }, { is_parted: true }]],
  'caller-gave-up': [[{ type: 'voice', outbound_resource_status: 'canceled', send_started_at: NOW }]],
  'content-guard': [
    [{ outcome: 'blocked', content_found: { links: 'block', own_number: 'flag' } }],
    [{ outcome: 'blocked', leg_log: 'blocked-by-guard@1893456000000:80909 ' }],
  ],
  intercepted: [[{ outcome: 'blocked', leg_log: 'blocked-by-customer@1893456000000:80909 ' }]],
  'intercept-failed': [
    [{ outcome: 'blocked', leg_log: 'blocked-by-customer@1893456000000:11200 ' }],
    [{ outcome: 'blocked' }, event(11200)],
  ],
  'number-blocked': [[{ outcome: 'blocked', outbound_number: null }, event(80909, NOT_PASSED.blocked)]],
  flood: [[{ outcome: 'blocked', outbound_number: null }, event(80909, NOT_PASSED.flood)]],
  'not-let-in': [[{ outcome: 'blocked', outbound_number: null }]],
  'application-answered': [[{ outcome: 'out-of-session' }, event(80902)]],
  'not-handled': [[{ outcome: 'out-of-session' }, event(80905)]],
  'application-failed': [
    [{ outcome: 'out-of-session' }, event(80913)],
    [{ outcome: 'no-partner' }, event(11200)],
  ],
  'answer-unusable': [
    [{ outcome: 'out-of-session' }, event(12100)],
    [{ outcome: 'out-of-session' }, event(12300)],
  ],
  'session-refused': [[{ outcome: 'out-of-session' }, event(80208)]],
}

test('whatever a row is, it has a verdict of one plain sentence, and every verdict is that of some row', () => {
  const seen = new Set<string>()
  const note = ({ code, state, text }: Verdict) => {
    seen.add(code)
    assert.equal(state, VERDICTS[code].state)
    assert.match(text, /^[A-Z][^{}]*\.$/, `${code}: ${text}`)
    assert.doesNotMatch(text, /undefined|null|NaN|\.\.| {2}/, `${code}: ${text}`)
    assert.equal(text.split(/\. [A-Z]/).length, 1, `${code} is one sentence: ${text}`)
  }
  let asked = 0
  for (const [row, facts] of everyRow()) {
    asked++
    note(judge(row, facts))
  }
  assert.ok(asked > 5_000)
  for (const [code, rows] of Object.entries(PARTICULAR)) {
    for (const [row, facts] of rows) {
      const verdict = judge(row, facts)
      assert.equal(verdict.code, code)
      note(verdict)
    }
  }
  assert.deepEqual(
    VERDICT_CODES.filter((code) => !seen.has(code)),
    [],
  )
})

test('what decides between two verdicts decides: without it there is the other one', () => {
  for (const [code, rows] of Object.entries(PARTICULAR)) {
    for (const [{ type = 'message', outcome = 'relayed', stage = null, due_at = null, ...row }, facts] of rows) {
      const { outbound_resource_status = null } = row
      const plain = judge({ type, outcome, stage, due_at, outbound_resource_status })
      const isSame = plain.code === code
      assert.ok(!isSame || (code === 'intercepted' && !facts), `control: ${code} needs nothing`)
    }
  }
})

test('every code of the catalogue is told in words with the code behind them, and a code nobody knows by itself', () => {
  for (const code of Object.keys(CATALOGUE).map(Number)) {
    assert.match(reasonOf(code), new RegExp(`(^[a-z'].*[^.] \\(${code}\\)|^its code is ${code})$`, 's'))
  }
  assert.match(reasonOf(21610), /^the recipient has opted out .* \(21610\)$/)
  assert.equal(reasonOf(99999), 'its code is 99999')
  assert.equal(reasonOf(null), 'it gave no reason')
})

test('a log of a leg is read entry by entry, and what was cut off at its end is none', () => {
  const log = 'later@1893456000000 sent@1893456001000 undelivered@1893456002000:30003 delivered@18934'
  assert.deepEqual(
    readLegLog(log).map(({ word, at, error_code }) => [word, at.getTime(), error_code]),
    [
      ['later', 1893456000000, null],
      ['sent', 1893456001000, null],
      ['undelivered', 1893456002000, 30003],
    ],
  )
})
