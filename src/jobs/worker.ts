import type { Logger } from 'pino'

/**
 * Works through what is due: claims a batch, works on it with bounded concurrency, claims again as places come free. It is
 * woken directly by work made in this process and looks by itself four times a second for work made elsewhere, so nothing
 * is lost when a wake-up is. What a claim took and this process did not finish becomes due again when the lease runs out.
 */
export type Worker = { wake(): void; stop(): Promise<void> }

const POLL_MS = 250
const AFTER_ERROR_MS = 1000

export function startWorker<Job>(options: {
  name: string
  concurrency: number
  claim: (limit: number) => Promise<Job[]>
  work: (job: Job) => Promise<void>
  log: Logger
}): Worker {
  const { name, concurrency, claim, work, log } = options
  const running = new Set<Promise<void>>()
  let stopping = false
  let awake = false
  let rouse: () => void = () => undefined

  const wake = () => {
    awake = true
    rouse()
  }

  const start = (job: Job) => {
    const done = work(job)
      .catch((error) =>
        log.error({ err: error, worker: name }, 'a job failed; it is due again when its lease runs out'),
      )
      .finally(() => {
        running.delete(done)
        wake()
      })
    running.add(done)
  }

  /** Sleeps until woken or until `ms` have passed. */
  const rest = async (ms: number) => {
    if (awake || stopping) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      rouse = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  const loop = async () => {
    while (!stopping) {
      awake = false
      const room = concurrency - running.size
      try {
        const jobs = room > 0 ? await claim(room) : []
        jobs.forEach(start)
        if (jobs.length === 0 || jobs.length < room) await rest(POLL_MS)
      } catch (error) {
        log.error({ err: error, worker: name }, 'claiming failed')
        awake = false
        await rest(AFTER_ERROR_MS)
      }
    }
    await Promise.all(running)
  }

  const finished = loop()
  return {
    wake,
    async stop() {
      stopping = true
      rouse()
      await finished
    },
  }
}
