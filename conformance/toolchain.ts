import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { CACHE, type Client, type Command, FOLDER, TOOL_ENVIRONMENT } from './clients.ts'

const INSTALL_TIMEOUT_MS = 15 * 60_000
const RUN_TIMEOUT_MS = 10 * 60_000

/** Installs the packages of a folder, once per lock file: here the vendor's document and the two npm clients. */
export async function installNodePackages(folder = FOLDER) {
  // Nothing here needs an install script, and none may run. A package far below asks for a newer Node than it needs, and
  // a strict setting of the surrounding checkout would be inherited through the environment.
  const command = ['npm', 'ci', '--ignore-scripts', '--no-engine-strict']
  const npm = { inputs: ['package.json', 'package-lock.json'], commands: [command] }
  await installOnce(`npm-${basename(folder)}`, folder, npm, join(folder, 'node_modules'))
}

/** The first of a client's tools that this machine does not have, or has without it working. */
export async function findMissingTool(client: Client): Promise<string | undefined> {
  for (const probe of client.probes) {
    const { status } = await runCommand(probe, join(FOLDER, client.name), {}, 60_000)
    if (status !== 0) return probe.join(' ')
  }
  return undefined
}

export async function installClient({ name, install }: Client) {
  if (install) await installOnce(name, join(FOLDER, name), install, undefined)
}

export const runClient = (client: Client, environment: Record<string, string>) =>
  runCommand(client.run, join(FOLDER, client.name), { ...NEUTRAL, ...environment }, RUN_TIMEOUT_MS)

/** The libraries would change the host by these, or go round by a proxy. */
const NEUTRAL = { TWILIO_EDGE: '', TWILIO_REGION: '', NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' }

async function installOnce(
  name: string,
  folder: string,
  install: NonNullable<Client['install']>,
  product: string | undefined,
) {
  const hash = createHash('sha256').update(process.version)
  for (const input of install.inputs) hash.update(readFileSync(join(folder, input)))
  const digest = hash.digest('hex')
  const stamp = join(CACHE, `${name}.stamp`)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest && (!product || existsSync(product))) return
  for (const command of install.commands) {
    const { status, out, err } = await runCommand(command, folder, {}, INSTALL_TIMEOUT_MS)
    if (status !== 0) throw new Error(`${name}: ${command.join(' ')} ended with ${status}.\n${out}${err}`)
  }
  mkdirSync(CACHE, { recursive: true })
  writeFileSync(stamp, digest)
}

async function runCommand(command: Command, folder: string, environment: Record<string, string>, timeout: number) {
  const [program = '', ...args] = command
  const env = { ...process.env, ...TOOL_ENVIRONMENT, ...environment }
  const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], timeout })
  const ended = once(child, 'close').then(([status]) => status as number | null)
  // A program that is not there is a status too; 127 is the shell's for it.
  const status = ended.catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? 127 : Promise.reject(error)))
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), status])
  return { out, err, status: code }
}
