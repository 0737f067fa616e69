import type { Logger } from 'pino'

/**
 * Keeps what this process has in hand: a claim is short, so that the work of a process that died is soon taken up by
 * another, and is made longer while the work goes on. A process that was stopped for longer than its claims last may no
 * longer have what it had; `isHeld` says so by a clock that runs on meanwhile.
 */
export type Leases<Job> = {
  /** Claims, and holds what was claimed from before the claim on. */
  holdAll(claim: () => Promise<Job[]>): Promise<Job[]>
  isHeld(job: Job): boolean
  release(job: Job): void
  stop(): void
}

/** Of the lease: so many tries to renew it fit into one, and after so much of it nothing new is begun. */
const RENEWALS = 5
const USABLE = 0.8

export function startLeases<Job>(options: {
  lease_s: number
  renew: (held: Job[]) => Promise<void>
  log: Logger
}): Leases<Job> {
  const { lease_s, renew, log } = options
  const usable_ms = lease_s * 1000 * USABLE
  const held = new Map<Job, number>()
  let renewing = false

  const renewAll = async () => {
    const jobs = [...held.keys()].filter((job) => leases.isHeld(job))
    if (renewing || jobs.length === 0) return
    renewing = true
    const now = performance.now()
    try {
      await renew(jobs)
      for (const job of jobs) if (held.has(job)) held.set(job, now)
    } catch (error) {
      log.warn({ err: error }, 'what is in hand could not be held for longer')
    } finally {
      renewing = false
    }
  }
  const timer = setInterval(renewAll, (lease_s * 1000) / RENEWALS)
  timer.unref()

  const leases: Leases<Job> = {
    async holdAll(claim) {
      const now = performance.now()
      const jobs = await claim()
      for (const job of jobs) held.set(job, now)
      return jobs
    },
    isHeld: (job) => performance.now() - (held.get(job) ?? Number.NEGATIVE_INFINITY) < usable_ms,
    release: (job) => void held.delete(job),
    stop: () => clearInterval(timer),
  }
  return leases
}
