import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { MOST_CLAIMED } from '../db/statements/longest-due.ts'

/**
 * Works through what is due: claims a batch, works on it with bounded concurrency, claims again as places come free. It is
 * woken directly by work made in this process and looks by itself four times a second for work made elsewhere, so nothing
 * is lost when a wake-up is. What a claim took and this process did not finish becomes due again when the lease runs out.
 * It claims at once, until there is much to do: after a claim of several the next one comes a little later, so that it takes
 * what many wake-ups were for.
 */
export type Worker = { wake(): void; stop(): Promise<void> }

export type WorkerOptions<Job> = {
  name: string
  concurrency: number
  /** Jobs that share a queue wait for each other: of a queue with so many under way no more is claimed. */
  queues?: { of: (job: Job) => string; most: number }
  /** Whether it never claims twice within a moment: where nobody waits for a single job, and most wake-ups are not for it. */
  isPatient?: boolean
  claim: (limit: number, full: string[]) => Promise<Job[]>
  work: (job: Job) => Promise<void>
  log: Logger
}

const POLL_MS = 250
const BETWEEN_CLAIMS_MS = 10
const AFTER_ERROR_MS = 1000
const BELIEVED_TIMES = 10

export function startWorker<Job>(options: WorkerOptions<Job>): Worker {
  const { name, concurrency, queues, isPatient = false, claim, work, log } = options
  const running = new Set<Promise<void>>()
  const underWay = createTally()
  const alarm = createAlarm()
  let stopping = false
  let wantsRoom = false
  const nothingBeside = createBelief()

  const start = (job: Job) => {
    const queue = queues?.of(job) ?? ''
    underWay.count(queue, 1)
    const done = work(job)
      .catch((error) =>
        log.error({ err: error, worker: name }, 'a job failed; it is due again when its lease runs out'),
      )
      .finally(() => {
        running.delete(done)
        underWay.count(queue, -1)
        if (wantsRoom) alarm.ring()
      })
    running.add(done)
  }

  /** How many it took, and whether there was room for more than is due. */
  const claimSome = async (): Promise<{ many: number; isAll: boolean }> => {
    const room = Math.min(MOST_CLAIMED, concurrency - running.size)
    const full = queues ? underWay.from(queues.most) : []
    // What comes free during the claim is not known to it.
    wantsRoom = true
    if (nothingBeside.holds(full)) return { many: 0, isAll: true }
    const began = performance.now()
    const jobs = room > 0 ? await claim(room, full) : []
    nothingBeside.found(room > 0 && jobs.length === 0 ? full : [], performance.now() - began)
    jobs.forEach(start)
    wantsRoom = jobs.length === room || full.length > 0
    return { many: jobs.length, isAll: jobs.length < room }
  }

  const loop = async () => {
    while (!stopping) {
      alarm.set()
      const next = performance.now() + BETWEEN_CLAIMS_MS
      try {
        const { many, isAll } = await claimSome()
        if (!isAll && running.size < concurrency) continue
        await alarm.sleep(POLL_MS)
        const early_ms = next - performance.now()
        if ((many > 1 || isPatient) && early_ms > 0 && !stopping) await delay(early_ms)
      } catch (error) {
        log.error({ err: error, worker: name }, 'claiming failed')
        if (!stopping) alarm.set()
        await alarm.sleep(AFTER_ERROR_MS)
      }
    }
    await Promise.all(running)
  }

  const finished = loop()
  return {
    wake: alarm.ring,
    async stop() {
      stopping = true
      alarm.ring()
      await finished
    },
  }
}

/** How many there are of each name. */
function createTally() {
  const counts = new Map<string, number>()
  return {
    count(name: string, change: 1 | -1) {
      const many = (counts.get(name) ?? 0) + change
      if (many > 0) counts.set(name, many)
      else counts.delete(name)
    },
    /** The names of which there are so many or more. */
    from: (least: number) => [...counts].filter(([, many]) => many >= least).map(([name]) => name),
  }
}

/**
 * That beside full queues nothing else is due. To find it out reads all that is due, and takes the longer the more that is; so
 * it is believed for some times as long.
 */
function createBelief() {
  let believed = { queues: '', until: 0 }
  return {
    holds: (full: string[]) =>
      full.length > 0 && full.join(' ') === believed.queues && performance.now() < believed.until,
    found(full: string[], took_ms: number) {
      believed = { queues: full.join(' '), until: performance.now() + Math.min(POLL_MS, BELIEVED_TIMES * took_ms) }
    },
  }
}

/** A sleep that a ring ends, also one that came since the alarm was set. */
function createAlarm() {
  let hasRung = false
  let rouse: () => void = () => undefined
  return {
    set() {
      hasRung = false
    },
    ring() {
      hasRung = true
      rouse()
    },
    async sleep(ms: number) {
      if (hasRung) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        rouse = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    },
  }
}
