import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Scope } from '../proof/support/scope.ts'

/**
 * PostgreSQL's own benchmark, which the ceilings are measured with: how often a second it runs a script with prepared
 * statements. Names in the script are variables, `:sid`; `variables` sets those that stay the same.
 */
export type PgbenchOptions = {
  database_url: string
  script: string
  variables: Record<string, string>
}

export type Pgbench = (load: { clients: number; seconds: number }) => Promise<number>

const LINUX_HOME = '/usr/lib/postgresql'
/** Connecting, preparing and planning are in it, so the first second does not count. */
const WARM_UP_S = 1
/** Its best: with a script's few executions of a statement it would often plan it anew. */
const PLAN_ONCE = '-c plan_cache_mode=force_generic_plan'

export function preparePgbench(scope: Scope, { database_url, script, variables }: PgbenchOptions): Pgbench {
  const program = findPgbench()
  const folder = mkdtempSync(join(tmpdir(), 'maskline-pgbench-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'script.sql')
  writeFileSync(file, script)
  const { hostname, port, username, password, pathname } = new URL(database_url)
  const defined = Object.entries(variables).flatMap(([name, value]) => ['-D', `${name}=${value}`])
  return ({ clients, seconds }) => {
    const how = ['--no-vacuum', '--protocol=prepared', '--progress=1', `--file=${file}`, ...defined]
    const much = [`--client=${clients}`, '--jobs=2', `--time=${Math.ceil(seconds) + WARM_UP_S}`]
    const where = [`--host=${hostname}`, `--port=${port}`, `--username=${username}`, pathname.slice(1)]
    return new Promise((resolve, reject) => {
      const child = spawn(program, [...how, ...much, ...where], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: '/usr/bin:/bin', PGPASSWORD: decodeURIComponent(password), PGOPTIONS: PLAN_ONCE },
      })
      let output = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
      child.once('error', reject)
      child.once('close', (code) => {
        try {
          if (code !== 0) throw new Error(`pgbench ended with ${code}:\n${output}`)
          resolve(readRate(output))
        } catch (error) {
          reject(error)
        }
      })
    })
  }
}

/** Scripts a second, on average over the seconds that count. */
export function readRate(output: string): number {
  if (!/^number of failed transactions: 0 /m.test(output)) throw new Error(`pgbench had failures:\n${output}`)
  const rates = [...output.matchAll(/^progress: [\d.]+ s, ([\d.]+) tps,/gm)].map((match) => Number(match[1]))
  const counted = rates.slice(WARM_UP_S)
  if (counted.length === 0) throw new Error(`pgbench reported no progress:\n${output}`)
  return counted.reduce((sum, rate) => sum + rate, 0) / counted.length
}

/** A statement as it stands in our code, with the names of variables in place of its numbered parameters. */
export const withVariables = (statement: string, names: string[]) =>
  statement.replace(/\$(\d+)/g, (_parameter, at: string) => {
    const name = names[Number(at) - 1]
    if (name === undefined) throw new Error(`The statement has a parameter $${at}, which has no name.`)
    return `:${name}`
  })

function findPgbench(): string {
  const versions = existsSync(LINUX_HOME) ? readdirSync(LINUX_HOME).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...versions.map((version) => join(LINUX_HOME, version, 'bin')), ...pathFolders()]
  const found = folders.map((folder) => join(folder, 'pgbench')).find((path) => existsSync(path))
  if (found) return found
  throw new Error(
    'pgbench is not installed: it comes with the PostgreSQL of the system (Debian, Ubuntu: `apt install postgresql`; ' +
      'Fedora: postgresql-contrib; macOS: `brew install postgresql`), or put its folder into PATH.',
  )
}

const pathFolders = () => (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
