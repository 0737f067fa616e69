import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readTarget, startPeople, startReport } from '../report.ts'
import { startCli } from './command.ts'
import { startFront } from './front.ts'

export const target = readTarget()
const manifest = createRequire(import.meta.url).resolve('twilio-cli/package.json')
const { version } = createRequire(import.meta.url)('twilio-cli/package.json') as { version: string }
export const perform = startReport('twilio-cli', version)
export const nextPerson = startPeople()
export const run = `cli-${randomBytes(4).toString('hex')}`
export const [firstNumber = '', secondNumber = ''] = target.numbers
export const notFound = { status: 404, code: 20404, message: /was not found/ }

export const home = mkdtempSync(join(tmpdir(), 'conformance-cli-'))
const recorder = process.env.CONFORMANCE_SOCKET ?? assert.fail('Set CONFORMANCE_SOCKET.')
const ca = await startFront(home, recorder, new URL(target.baseUrl))
const environment = {
  PATH: `${join(dirname(manifest), '..', '.bin')}:${process.env.PATH}`,
  HOME: home,
  NODE_EXTRA_CA_CERTS: ca,
  TWILIO_ACCOUNT_SID: target.accountSid,
  TWILIO_AUTH_TOKEN: target.authToken,
}
const binary = join(dirname(manifest), 'bin', 'run')
export const cli = startCli(binary, environment)
const { TWILIO_AUTH_TOKEN: _, ...withoutToken } = environment
export const withKey = startCli(binary, {
  ...withoutToken,
  TWILIO_API_KEY: target.apiKey.sid,
  TWILIO_API_SECRET: target.apiKey.secret,
})
export const stranger = startCli(binary, { ...environment, TWILIO_AUTH_TOKEN: 'f'.repeat(32) })

export function recent(date: unknown) {
  assert.ok(Math.abs(Date.parse(String(date)) - Date.now()) < 120_000, `not a date of just now: ${date}`)
}

export const sids = (items: { sid: string }[]) => items.map((item) => item.sid)
