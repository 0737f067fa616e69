import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode } from './database-error.ts'
import { type EmbeddedOptions, type EmbeddedServer, startEmbedded } from './embedded.ts'
import { readIfThere } from './owner-lock.ts'

const LOOK_EVERY_MS = 1_000

/**
 * The embedded server, and started again whenever it ended by itself: for one, when the disk is so full that it cannot
 * write its log, PostgreSQL ends and cannot even recover before there is space. The port is another one then, which
 * `onMove` is told.
 */
export async function startKeptServer(
  options: EmbeddedOptions,
  onMove: (url: string) => void,
): Promise<EmbeddedServer> {
  let server = await startEmbedded(options)
  let pid = pidIn(options.data_dir)
  let stopping = false
  let reviving: Promise<void> | undefined

  const revive = async () => {
    while (!stopping) {
      try {
        // It is over, but the data folder is still in its name.
        await server.stop()
        server = await startEmbedded({ ...options, progress: () => undefined })
        pid = pidIn(options.data_dir)
        onMove(server.url)
        return options.log.warn('PostgreSQL had ended by itself and was started again')
      } catch (error) {
        options.log.error({ err: error }, 'PostgreSQL ended by itself and cannot be started yet')
        await delay(LOOK_EVERY_MS)
      }
    }
  }
  const timer = setInterval(() => {
    if (!reviving && !isAlive(pid)) {
      reviving = revive().finally(() => {
        reviving = undefined
      })
    }
  }, LOOK_EVERY_MS)
  timer.unref()

  return {
    url: server.url,
    async stop() {
      stopping = true
      clearInterval(timer)
      await reviving
      await server.stop()
    },
  }
}

const pidIn = (data_dir: string) =>
  Number(readIfThere(join(data_dir, 'postgres', 'postmaster.pid'))?.split('\n')[0] ?? 0)

/** Of a child of ours, or of the system's, so that it is no zombie for long. */
function isAlive(pid: number): boolean {
  try {
    // 0 would be ourselves.
    return pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}
