import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Proof } from './proof.ts'
import { createRandom } from './random.ts'
import { type Anomaly, checkHistory } from './s3/checker.ts'
import { FORGERIES } from './s3/forgeries.ts'
import type { Fault, History } from './s3/history.ts'
import { type Recorded, recordHistory } from './s3/recording.ts'
import { NO_INDEX } from './s10-repeats.ts'
import { inScope } from './support/scope.ts'

/**
 * Clients open, close and change sessions, people text and call, the carrier repeats, delays and disorders what it tells,
 * and refuses, drops and forgets what it is to send, while servers, PostgreSQL and the lines between them are broken again
 * and again. What clients, carrier and customer saw is checked afterwards, against the promise alone. Two controls: the same
 * history with something forged in it, and the history of a server that was broken on purpose.
 */
const CONTROL_SECONDS = 6
/** From so many seconds on everything has its turn. */
const FULL_SECONDS = 300
/** A forgery may find no place in a short history, but most do. */
const PLACED = 0.6

export const s3History: Proof = {
  id: 'S3',
  name: 's3-history',
  promise: 'whatever is broken meanwhile, nobody outside ever sees anything that breaks a rule',
  goal: '0 anomalies',
  sizes: { short: 20, full: 600, unit: 'seconds under faults' },
  async run({ size, seed, progress }) {
    const random = createRandom(seed)
    const record = (seconds: number, what: string, broken?: Parameters<typeof recordHistory>[1]['broken']) =>
      inScope((scope) => {
        const told = (step: string) => progress(`${what}${step}`)
        return recordHistory(scope, { seconds, random, progress: told, ...(broken ? { broken } : {}) })
      })
    const recorded = await record(size, '')
    const anomalies = checkHistory(recorded.history)
    const forged = forge(recorded.history, random)
    const control = await record(Math.min(size, CONTROL_SECONDS), 'control: ', { breaks: NO_INDEX, index: false })
    const found = checkHistory(control.history).filter(({ rule }) => rule === 'I8')
    const tally = count(recorded.history)
    return {
      figure:
        `${anomalies.length} anomalies in ${tally.events} events, ${tally.changes} changes and ${tally.legs} legs ` +
        `under ${tally.faults} faults`,
      holds: anomalies.length === 0 && recorded.unsettled === 0 && isEventful(tally, size),
      control: {
        figure:
          `${forged.reported.length} of ${forged.placed.length} forgeries reported by their rule, and ${found.length} ` +
          'anomalies of a server without the index over events',
        fails:
          forged.reported.length === forged.placed.length &&
          forged.placed.length >= PLACED * FORGERIES.length &&
          found.length > 0,
      },
      details: [...describe(recorded, tally), ...describeAnomalies(recorded, anomalies), ...forged.details],
    }
  },
}

type Tally = ReturnType<typeof count>

function count(history: History) {
  const of = <Type extends History[number]['type']>(type: Type) =>
    history.filter((entry): entry is Extract<History[number], { type: Type }> => entry.type === type)
  const [told, changes, legs, faults] = [of('told'), of('change'), of('leg'), of('fault')]
  return {
    events: new Set(told.map(({ event }) => event)).size,
    told: told.length,
    changes: changes.length,
    dials: new Set(told.filter(({ dials }) => dials).map(({ event }) => event)).size,
    legs: legs.length,
    faults: faults.length,
    unknown: [...told, ...changes].filter(({ outcome }) => outcome === 'unknown').length,
    refused: changes.filter(({ outcome }) => outcome === 'refused').length,
    asked: of('asked').length,
    found: of('found').length,
    kinds: kindsOf(faults),
  }
}

function kindsOf(faults: Fault[]): Map<string, number> {
  const kinds = new Map<string, number>()
  for (const { what } of faults) kinds.set(what, (kinds.get(what) ?? 0) + 1)
  return new Map([...kinds].sort(([one], [other]) => one.localeCompare(other)))
}

/** 3 of PostgreSQL, 8 of each server, 3 of the line to the carrier, and 4 of the customer. */
const KINDS = 26

/** Otherwise it says little that nothing was wrong. */
const isEventful = ({ unknown, legs, dials, faults, kinds }: Tally, seconds: number) =>
  unknown > 0 && legs > seconds / 2 && dials > 0 && faults > 0 && (seconds < FULL_SECONDS || kinds.size === KINDS)

function describe({ unsettled, logged }: Recorded, tally: Tally): string[] {
  const { told, dials, unknown, refused, asked, found, kinds } = tally
  return [
    `told ${told} times, ${dials} calls put through, the customer asked ${asked} times, ${found} sessions in the end`,
    `${unknown} requests whose outcome nobody knew, ${refused} changes refused, ${unsettled} messages left undone`,
    `faults: ${[...kinds].map(([what, times]) => `${what} ${times}`).join(', ')}`,
    ...(unsettled > 0 ? logged.slice(-3).map((line) => `the servers wrote: ${line.slice(0, 400)}`) : []),
  ]
}

/** The first ones, and where the whole history is, for who wants to look into it. */
function describeAnomalies({ history }: Recorded, anomalies: Anomaly[]): string[] {
  if (anomalies.length === 0) return []
  const file = join(mkdtempSync(join(tmpdir(), 'maskline-history-')), 'history.jsonl')
  writeFileSync(file, history.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
  return [`the history is in ${file}`, ...anomalies.slice(0, 10).map(({ rule, says }) => `${rule}: ${says}`)]
}

/** Each forgery in a history of its own, so that none is found for the sake of another. */
function forge(history: History, random: ReturnType<typeof createRandom>) {
  const before = new Set(checkHistory(history).map(({ rule, says }) => `${rule} ${says}`))
  const placed = FORGERIES.flatMap(({ name, rule, forge }) => {
    const forged = forge(structuredClone(history), random)
    return forged ? [{ name, rule, forged }] : []
  })
  const reported = placed.filter(({ rule, forged }) =>
    checkHistory(forged).some((anomaly) => anomaly.rule === rule && !before.has(`${anomaly.rule} ${anomaly.says}`)),
  )
  const missing = FORGERIES.filter(({ name }) => !placed.some((each) => each.name === name))
  const unseen = placed.filter((each) => !reported.includes(each))
  return {
    placed,
    reported,
    details: [
      ...unseen.map(({ name, rule }) => `not reported as ${rule}: ${name}`),
      ...missing.map(({ name }) => `no place for a forgery: ${name}`),
    ],
  }
}
