import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createApiKey } from '../src/core/api-keys.ts'
import { newSid } from '../src/core/sid.ts'
import type { Store } from '../src/core/store.ts'
import { createDatabase } from '../test/support/database.ts'
import type { Proof } from './proof.ts'
import { createRandom, type Random } from './random.ts'
import { type Break, copyProgram, PROGRAM, programWith } from './support/broken-copy.ts'
import { makeAccount, makeService, startDeployment } from './support/deployment.ts'
import { inLanes, inScope, type Scope } from './support/scope.ts'
import { withStore } from './support/with-store.ts'

/**
 * Whoever guesses learns nothing from the time a refusal takes: names that nobody has and wrong secrets of real ones are
 * asked in a drawn order, and each pair of samples is compared by how often the one is slower than the other, which is
 * half the time where they cost the same. And telling who asks costs a server little of its processor.
 */
const NEGLIGIBLE = 0.06
/** Of what is asked of the database, which reads the row of that name or its neighbour: a few microseconds of a hundred. */
const SMALL = 0.14
const PEOPLE = 40
/** The first calls are slower, whoever asks. */
const WARM_UP = 400
const RATE_GOAL = 2_000
const LANES = 32
const CONTROL_REQUESTS = 200

export const x1SignIn: Proof = {
  id: 'X1',
  name: 'x1-sign-in',
  promise: 'an unknown name costs what a wrong secret does, and those who are known are told fast',
  goal:
    `an effect of at most ${NEGLIGIBLE} from memory and ${SMALL} from the database, ` +
    `at least ${RATE_GOAL} requests a second of the server's processor time`,
  sizes: { short: 3_000, full: 20_000, unit: 'refusals of either kind, and as many requests' },
  async run({ size, seed, progress }) {
    const measured = await inScope((scope) => compare(scope, size, createRandom(seed), progress))
    const early = await inScope((scope) => compare(scope, size, createRandom(seed), progress, [RETURNS_EARLY]))
    progress('requests')
    const rate = await inScope((scope) => requestRate(scope, size))
    const slow = await inScope((scope) => requestRate(scope, CONTROL_REQUESTS, SLOW_DIGEST))
    return {
      figure: `effects of ${effects(measured)}, ${Math.round(rate.of_processor)} requests a second of processor time`,
      holds: !measured.some(isNoticed) && rate.of_processor >= RATE_GOAL,
      control: {
        figure:
          `effects of ${effects(early)} where an unknown name returns early, ` +
          `${Math.round(slow.of_processor)} a second with a digest for passwords`,
        fails: early.some(isNoticed) && slow.of_processor < RATE_GOAL,
      },
      details: [
        ...measured.map(({ what, effect, medians }) => `${what}: an effect of ${effect.toFixed(3)}, ${medians}`),
        ...early.map(({ what, effect, medians }) => `control: ${what}: an effect of ${effect.toFixed(3)}, ${medians}`),
        `${Math.round(rate.of_time)} requests a second of time, ${LANES} at once`,
      ],
    }
  },
}

const RETURNS_EARLY: Break = {
  file: 'core/accounts.ts',
  passage: '    const digest = store.keys.digest(password)\n',
  becomes: '    if (digests[0].equals(nobody)) return undefined\n    const digest = store.keys.digest(password)\n',
}

const SLOW_DIGEST: Break[] = [
  {
    file: 'core/accounts.ts',
    passage: 'const digest = store.keys.digest(password)\n',
    becomes: "scryptSync(password, 'salt', 32)\n    const digest = store.keys.digest(password)\n",
  },
  {
    file: 'core/accounts.ts',
    passage: 'import { randomBytes, timingSafeEqual }',
    becomes: 'import { randomBytes, scryptSync, timingSafeEqual }',
  },
]

type Compared = { what: string; effect: number; limit: number; medians: string }

const isNoticed = ({ effect, limit }: Compared) => effect > limit
const effects = (compared: Compared[]) => compared.map(({ effect }) => effect.toFixed(3)).join(', ')

/** Known names and unknown ones, by account and by key, of which the database was asked before or is asked now. */
async function compare(
  scope: Scope,
  size: number,
  random: Random,
  progress: (what: string) => void,
  breaks: Break[] = [],
): Promise<Compared[]> {
  const program = breaks.length > 0 ? copyProgram(scope, breaks) : PROGRAM
  const file = pathToFileURL(join(program, 'src', 'core', 'accounts.ts')).href
  const { createAuthenticator } = (await import(file)) as typeof import('../src/core/accounts.ts')
  const env = { DATABASE_URL: await createDatabase(scope), MASKLINE_MASTER_KEY: randomBytes(32).toString('hex') }
  const people = await Promise.all(Array.from({ length: PEOPLE }, () => makeAccount(env)))
  return await withStore(env, async (store) => {
    const keys = await Promise.all(people.map(({ sid }) => keyOf(store, sid)))
    const compared: Compared[] = []
    for (const [names, prefix] of [
      [people.map(({ sid }) => sid), 'AC'],
      [keys, 'SK'],
    ] as const) {
      // Half of them next to real ones.
      const unknown = names.map((name, at) => (at % 2 === 0 ? newSid(prefix) : name.replace(/.$/, differently)))
      for (const [how, step_ms, limit] of [
        ['kept in memory', 0, NEGLIGIBLE],
        ['asked for', 6_000, SMALL],
      ] as const) {
        const what = `${prefix}, ${how}`
        progress(`${breaks.length > 0 ? 'control: ' : ''}${what}`)
        let now = 0
        const authenticate = createAuthenticator(store, () => now)
        const time = async (name: string) => {
          now += step_ms
          const secret = randomBytes(16).toString('hex')
          const started = process.hrtime.bigint()
          await authenticate(name, secret)
          return Number(process.hrtime.bigint() - started)
        }
        compared.push({ what, limit, ...(await sample(time, names, unknown, size, random)) })
      }
    }
    return compared
  })
}

const differently = (digit: string) => (digit === 'f' ? '0' : 'f')

const keyOf = async (store: Store, account_sid: string) =>
  (await createApiKey(store, { account_sid, friendly_name: 'proof' })).key.sid

async function sample(
  time: (name: string) => Promise<number>,
  known: string[],
  unknown: string[],
  size: number,
  random: Random,
) {
  const took = { known: [] as number[], unknown: [] as number[] }
  for (let at = 0; at < 2 * size + WARM_UP; at++) {
    const kind = random.chance(0.5) ? 'known' : 'unknown'
    const names = kind === 'known' ? known : unknown
    const ns = await time(names[random.below(names.length)] ?? '')
    if (at >= WARM_UP) took[kind].push(ns)
  }
  const median = (values: number[]) =>
    `${((values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0) / 1000).toFixed(1)} µs`
  return {
    effect: effectOf(took.known, took.unknown),
    medians: `${median(took.known)} with a wrong secret, ${median(took.unknown)} for nobody`,
  }
}

/** How far from one half the share of pairs is in which the first is slower (Vargha and Delaney's A), 0 to 0.5. */
function effectOf(first: number[], second: number[]): number {
  const all = [...first.map((ns) => ({ ns, of: 1 })), ...second.map((ns) => ({ ns, of: 0 }))].sort(
    (a, b) => a.ns - b.ns,
  )
  let ranks = 0
  for (let at = 0; at < all.length; ) {
    let end = at
    while (all[end]?.ns === all[at]?.ns) end++
    // Those that took the same share their ranks.
    for (let one = at; one < end; one++) ranks += (all[one]?.of ?? 0) * ((at + end + 1) / 2)
    at = end
  }
  const larger = ranks - (first.length * (first.length + 1)) / 2
  return Math.abs(larger / (first.length * second.length) - 0.5)
}

/** A service fetched again and again, each time by whoever says who they are. */
async function requestRate(scope: Scope, requests: number, breaks?: Break[]) {
  const { servers } = await startDeployment(scope, { processes: [programWith(scope, breaks)] })
  const [{ api, pid }] = servers
  const service = await makeService(api, 0)
  const fetchAll = async (count: number) => {
    let fetched = 0
    await inLanes(Array.from({ length: count }).keys(), LANES, async () => {
      const { status, text } = await api.ask('GET', service.path)
      if (status === 200) fetched++
      // One that cannot keep up, as on a machine with much else to do, turns some away.
      else if (status !== 503) throw new Error(`${status} ${text}`)
    })
    return fetched
  }
  await fetchAll(Math.min(requests, WARM_UP))
  const [began, used] = [performance.now(), processorSeconds(pid)]
  const fetched = await fetchAll(requests)
  const seconds = (performance.now() - began) / 1000
  return { of_time: fetched / seconds, of_processor: fetched / (processorSeconds(pid) - used) }
}

/** Of a process and its threads: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function processorSeconds(pid: number): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const [user, system] = fields.split(' ').slice(11, 13).map(Number)
  return ((user ?? 0) + (system ?? 0)) / 100
}
