import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export type Cli = {
  /** Runs `twilio api:proxy:v1:RESOURCE:ACTION` and gives what it printed as JSON. */
  call: (command: string, flags: Flags) => Promise<Resource[]>
  /** The same for the one resource that create, fetch and update print. */
  one: (command: string, flags: Flags) => Promise<Resource>
  remove: (resource: string, flags: Flags) => Promise<void>
  refused: (command: string, flags: Flags, expected: Refusal) => Promise<void>
}

/** Flags as typed; a list repeats its flag, `true` is a bare flag. */
export type Flags = Record<string, string | number | true | string[]>
export type Resource = Record<string, unknown> & { sid: string; url: string }
export type Refusal = { status: number; code: number; message: RegExp }

export function startCli(binary: string, environment: NodeJS.ProcessEnv): Cli {
  const run = async (command: string, flags: Flags) => {
    const args = [binary, `api:proxy:v1:${command}`, ...spell(flags), '-o', 'json']
    const child = spawn(process.execPath, args, {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    })
    const [out, err, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    return { out, err, status: status as number | null }
  }
  const call = async (command: string, flags: Flags) => {
    const { out, err, status } = await run(command, flags)
    assert.equal(status, 0, `${command} ended with ${status}: ${out}${err}`)
    return JSON.parse(out) as Resource[]
  }
  return {
    call,
    one: async (command, flags) => {
      const resources = await call(command, flags)
      assert.equal(resources.length, 1)
      return resources[0]!
    },
    remove: async (resource, flags) => {
      const { out, err, status } = await run(`${resource}:remove`, flags)
      assert.equal(status, 0, `${resource}:remove ended with ${status}: ${out}${err}`)
      assert.match(err, /The resource was deleted successfully/)
    },
    refused: async (command, flags, expected) => {
      const { out, err, status } = await run(command, flags)
      assert.equal(status, Number(String(expected.code).slice(0, 2)), `${command} ended with ${status}: ${out}${err}`)
      const [error] = JSON.parse(out) as { status: number; code: number; message: string; more_info: string }[]
      assert.equal(error?.status, expected.status)
      assert.equal(error?.code, expected.code)
      assert.match(error?.message ?? '', expected.message)
      assert.match(error?.more_info ?? '', new RegExp(`^https://.*/${expected.code}$`))
    },
  }
}

function spell(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => {
    if (value === true) return [`--${flag}`]
    return [value].flat().flatMap((each) => [`--${flag}`, String(each)])
  })
}
