import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 20_000

const MASKLINE = ['--import', 'tsx', 'src/cli.ts']

/** Starts Maskline as a first-time user would, with its data in `folder`, and waits until it says that it is ready. */
export async function startMaskline(folder: string, environment: Record<string, string>) {
  const port = await findFreePort()
  const data = { ...withoutSettings(), MASKLINE_DATA_DIR: join(folder, 'data') }
  const child = spawn(process.execPath, [...MASKLINE, 'dev'], {
    cwd: ROOT,
    env: { ...data, ...environment, MASKLINE_PORT: String(port), MASKLINE_RATE_LIMIT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = createWriteStream(join(folder, 'server.log'))
  child.stdout.pipe(log)
  child.stderr.pipe(log)
  await waitUntilReady(child, `http://127.0.0.1:${port}/health/ready`)
  return {
    port,
    /** Runs one of the operator's commands beside the server. */
    command: (...args: string[]) =>
      promisify(execFile)(process.execPath, [...MASKLINE, ...args], { cwd: ROOT, env: data }),
    stop: () => stop(child),
  }
}

/** Whoever runs this may have settings and a database of their own, which have no place here. */
function withoutSettings() {
  const isSetting = ([name]: [string, unknown]) => name.startsWith('MASKLINE_') || name.startsWith('DATABASE_URL')
  return Object.fromEntries(Object.entries(process.env).filter((entry) => !isSetting(entry)))
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function waitUntilReady(child: ChildProcess, url: string) {
  const deadline = Date.now() + START_TIMEOUT_MS
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`The server ended with ${child.exitCode} before it was ready.`)
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.status === 200) return
    await wait(200)
  }
  await stop(child)
  throw new Error(`The server was not ready within ${START_TIMEOUT_MS / 1000} s.`)
}

async function stop(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const ended = once(child, 'exit')
  const late = wait(STOP_TIMEOUT_MS, 'late', { ref: false })
  if ((await Promise.race([ended, late])) === 'late') child.kill('SIGKILL')
}

/** Numbers of the simulated carrier, two for each client: a number is in one service's pool at a time. */
export const numbersFor = (client: number) =>
  [0, 1].map((n) => `+1202555${String(200 + client * 2 + n).padStart(4, '0')}`)
