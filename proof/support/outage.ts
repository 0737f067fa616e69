import { setTimeout as delay } from 'node:timers/promises'
import { probe } from './killable-server.ts'
import { createLedger, type Ledger, type Text, type Try } from './ledger.ts'
import type { MessageWorld } from './message-world.ts'
import { untilNothingIsDue } from './settled-world.ts'

export type Outage = {
  /** The slowest answer to a webhook while the database was away, however it ended. */
  refused_ms: number
  refusals: number
  /** From the return of the database until the first webhook was taken that came after it. */
  back_ms: number
  /** From the beginning until readiness answered 503. */
  unready_ms: number
  /** How often liveness did not answer 200. */
  dead: number
  taken: number
  lost: number
  doubled: number
  /** Answers to webhooks that were neither 200 nor 503. */
  odd: number
}

const PER_SECOND = 20
const AGAIN_MS = 2_000
/** Before the database goes. */
const LEAD_MS = 1_000
const BACK_LIMIT_MS = 30_000
const PROBE_EVERY_MS = 100

/** Texts come at a steady rate, and again until they are taken, while the database is away for some seconds. */
export async function outage(
  world: MessageWorld,
  { seconds, begin, end }: { seconds: number; begin: () => unknown; end: () => void },
): Promise<Outage> {
  const ledger = createLedger(world)
  const load = startSteadyLoad(ledger)
  await delay(LEAD_MS)
  const began_at = Date.now()
  const probes = startProbes(world.server.port)
  await begin()
  await delay(seconds * 1000)
  end()
  const ended_at = Date.now()
  const firstBack = () => takenSince(ledger, ended_at)[0]
  while (!firstBack() && Date.now() - ended_at < BACK_LIMIT_MS) await delay(10)
  await probes.stop()
  await load.finish()
  await untilNothingIsDue(world, 60_000)

  const tries = ledger.texts.flatMap((text) => text.tries)
  const during = tries.filter(({ began_at: at, ms }) => at + ms > began_at && at < ended_at - 1_000)
  const back = firstBack()
  await ledger.close()
  return {
    refused_ms: Math.max(...during.map((one) => Math.min(one.ms, one.began_at + one.ms - began_at))),
    refusals: during.filter(({ status }) => status === 503).length,
    back_ms: back ? back.began_at + back.ms - ended_at : Number.POSITIVE_INFINITY,
    unready_ms: (probes.unready_at ?? Number.POSITIVE_INFINITY) - began_at,
    dead: probes.dead,
    taken: ledger.acknowledged(),
    lost: ledger.audit().lost.length + ledger.audit().astray.length,
    doubled: ledger.audit().doubled.length,
    odd: tries.filter(({ status }) => status !== 200 && status !== 503).length,
  }
}

/** In the order in which they were answered. */
const takenSince = (ledger: Ledger, at: number): Try[] =>
  ledger.texts
    .flatMap((text) => text.tries)
    .filter((one) => one.outcome === 'acknowledged' && one.began_at + one.ms > at)
    .sort((one, other) => one.began_at + one.ms - (other.began_at + other.ms))

function startSteadyLoad(ledger: Ledger) {
  const works: Promise<void>[] = []
  const bringToTheEnd = async (text: Text) => {
    while ((await ledger.bring(text)).outcome !== 'acknowledged') await delay(AGAIN_MS)
  }
  const timer = setInterval(() => works.push(bringToTheEnd(ledger.next())), 1000 / PER_SECOND)
  return {
    async finish() {
      clearInterval(timer)
      await Promise.all(works)
    },
  }
}

function startProbes(port: number) {
  let stopping = false
  const found = { unready_at: undefined as number | undefined, dead: 0 }
  const lane = async (look: () => Promise<void>) => {
    while (!stopping) {
      await look()
      await delay(PROBE_EVERY_MS)
    }
  }
  const lanes = [
    lane(async () => {
      const status = await probe(port, 'ready')
      if (status === 503) found.unready_at ??= Date.now()
    }),
    lane(async () => {
      if ((await probe(port, 'live', 2_000)) !== 200) found.dead++
    }),
  ]
  const stop = async () => {
    stopping = true
    await Promise.all(lanes)
  }
  return Object.assign(found, { stop })
}
