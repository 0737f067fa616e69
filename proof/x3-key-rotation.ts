import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { openDataKeys, readDataKeys, WrongMasterKey } from '../src/core/keys.ts'
import { masterKeyId } from '../src/core/seal.ts'
import type { Store } from '../src/core/store.ts'
import type { Env } from '../test/support/cli.ts'
import { createDatabase } from '../test/support/database.ts'
import type { Proof } from './proof.ts'
import { runRounds, total } from './s1-pairs.ts'
import { type Break, copyProgram, PROGRAM } from './support/broken-copy.ts'
import type { Deployment } from './support/deployment.ts'
import { apiOf } from './support/http.ts'
import { inScope, type Scope } from './support/scope.ts'
import { startServerProcess } from './support/server-process.ts'
import { withStore } from './support/with-store.ts'

/**
 * The joins of S1, while the master key is changed again and again, and while somebody looks all the time whether a server
 * could start: one of the two keys at hand has to open the database at every moment. In the end the last key starts a
 * server, and those before it, and a lost one, do not.
 */
const PAUSE_MS = 50
/** Between two looks: the load is to be that of the joins. */
const LOOK_MS = 5
const CONTROL_ROTATIONS = 40

export const x3KeyRotation: Proof = {
  id: 'X3',
  name: 'x3-key-rotation',
  promise: 'the master key is changed under load and nobody notices; a lost one starts nothing',
  goal: '0 failures of joins, 0 moments at which no server could start, 0 starts with a wrong key',
  sizes: { short: 2, full: 20, unit: 'rounds of 600 joins at once' },
  async run({ size, seed, progress }) {
    const measured = await inScope((scope) => underLoad(scope, { rounds: size, seed, progress }))
    progress('control')
    const control = await inScope((scope) => oneByOne(scope))
    const { failed, closed, rotations, looks, ends } = measured
    return {
      figure: `${failed} failures, ${closed} of ${looks} moments without a key in ${rotations} rotations, ${ends.wrong} wrong starts`,
      holds: failed === 0 && closed === 0 && rotations >= size && looks > rotations && ends.wrong === 0,
      control: {
        figure: `${control.closed} of ${control.looks} moments without a key where keys are wrapped one by one`,
        fails: control.closed > 0,
      },
      details: [...measured.details, ...ends.details],
    }
  },
}

/** A rotation without its transaction. */
const ONE_BY_ONE: Break = {
  file: 'core/keys.ts',
  passage: `next: Buffer): Promise<Rotated> {
  return await inTransaction(store, async (inside) => {`,
  becomes: `next: Buffer): Promise<Rotated> {
  return await ((work: (inside: Store) => Promise<Rotated>) => work(store))(async (inside) => {`,
}

type Rotating = { keys: Buffer[]; closed: number; looks: number }

async function underLoad(scope: Scope, options: { rounds: number; seed: number; progress: (what: string) => void }) {
  const rotating: Rotating = { keys: [], closed: 0, looks: 0 }
  const rounds = await runRounds(scope, {
    ...options,
    indexed: true,
    beside: ({ env }) => {
      if (rotating.keys.length === 0) rotating.keys.push(keyOf(env))
      let over = false
      const rotated = withStore(envWith(env, last(rotating)), (store) => rotate(store, rotating, PROGRAM, () => over))
      return async () => {
        over = true
        await rotated
      }
    },
  })
  const { deployment, details } = rounds
  const ends = await startWith(scope, deployment, rotating)
  const failed = total(rounds, 'failed') + total(rounds, 'ambiguous')
  return { failed, ...rotating, rotations: rotating.keys.length - 1, ends, details }
}

const keyOf = (env: Env) => Buffer.from(env.MASKLINE_MASTER_KEY ?? '', 'hex')
const envWith = (env: Env, key: Buffer): Env => ({ ...env, MASKLINE_MASTER_KEY: key.toString('hex') })

function last({ keys }: Rotating): Buffer {
  const key = keys.at(-1)
  if (!key) throw new Error('there is no key yet')
  return key
}

/** Until it is over: one rotation after the other, and somebody who looks whether one of two keys opens all there is. */
async function rotate(store: Store, rotating: Rotating, program: string, isOver: () => boolean): Promise<void> {
  const file = pathToFileURL(join(program, 'src', 'core', 'keys.ts')).href
  const { rotateMasterKey } = (await import(file)) as typeof import('../src/core/keys.ts')
  const { keys } = rotating
  let looking = true
  const look = async () => {
    while (looking) {
      // Whatever was in force at some moment since the look began, and the one that may be by its end.
      const from = Math.max(0, keys.length - 2)
      const rows = await readDataKeys(store.db)
      rotating.looks++
      if (!isOpenedBy(rows, keys.slice(from))) rotating.closed++
      await delay(LOOK_MS)
    }
  }
  const looks = look()
  try {
    do {
      const [current, next] = [last(rotating), randomBytes(32)]
      keys.push(next)
      await rotateMasterKey(store, [current], next)
      await delay(PAUSE_MS)
    } while (!isOver())
  } finally {
    looking = false
    await looks
  }
}

function isOpenedBy(rows: Awaited<ReturnType<typeof readDataKeys>>, keys: Buffer[]): boolean {
  try {
    openDataKeys(rows, keys)
    return true
  } catch (error) {
    if (error instanceof WrongMasterKey) return false
    throw error
  }
}

/** Starts with the first key, the last but one and a lost one must be refused, and with the last one it serves what is there. */
async function startWith(scope: Scope, { env, pool, servers, account }: Deployment, { keys }: Rotating) {
  const details: string[] = []
  let wrong = 0
  const newest = keys.at(-1) ?? Buffer.alloc(0)
  for (const key of [keys[0], keys.at(-2), randomBytes(32)]) {
    const refusal = await startServerProcess(scope, { env: envWith(env, key ?? Buffer.alloc(0)) }).then(
      () => 'it started',
      (error: Error) => error.message,
    )
    const isTold = refusal.includes(`moved to master key ${masterKeyId(newest)} on `)
    if (!isTold) wrong++
    details.push(`with another key: ${refusal.split('\n')[1] ?? refusal}`)
  }
  const started = await startServerProcess(scope, { env: envWith(env, newest) })
  const { rows } = await pool.query('select service_sid, session_sid from participants order by sid limit 1')
  const path = `/v1/Services/${rows[0].service_sid}/Sessions/${rows[0].session_sid}/Participants`
  const [before, after] = [await servers[0].api.ask('GET', path), await apiOf(started.url, account).ask('GET', path)]
  if (after.status !== 200 || before.text.replaceAll(servers[0].url, started.url) !== after.text) wrong++
  details.push(`with the last key of ${keys.length} a server starts, and answers ${after.status}`)
  return { wrong, details }
}

async function oneByOne(scope: Scope): Promise<Rotating> {
  const env = { DATABASE_URL: await createDatabase(scope), MASKLINE_MASTER_KEY: randomBytes(32).toString('hex') }
  const rotating: Rotating = { keys: [keyOf(env)], closed: 0, looks: 0 }
  const isOver = () => rotating.keys.length > CONTROL_ROTATIONS
  await withStore(env, (store) => rotate(store, rotating, copyProgram(scope, [ONE_BY_ONE]), isOver))
  return rotating
}
