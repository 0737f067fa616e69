/**
 * The npm package `twilio`. The one line that differs from a program written for the vendor is marked below.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import twilio from 'twilio'
import { readTarget, startPeople, startReport } from '../report.ts'

export const target = readTarget()
export const [firstNumber = '', secondNumber = ''] = target.numbers
const { version } = createRequire(import.meta.url)('twilio/package.json') as { version: string }
export const perform = startReport('node', version)
export const nextPerson = startPeople()
/** In front of every name, so that runs do not meet. */
export const run = `node-${randomBytes(4).toString('hex')}`

export function connect(username: string, password: string) {
  const client = twilio(username, password, { accountSid: target.accountSid })
  client.proxy.baseUrl = target.baseUrl // the one line
  return client.proxy.v1.services
}

export const services = connect(target.accountSid, target.authToken)

export const NOT_FOUND = { status: 404, code: 20404, message: /was not found/ }

/** Checks that the library throws its own exception, with everything in it that a program branches on. */
export async function refusal(act: Promise<unknown>, expected: { status: number; code: number; message: RegExp }) {
  const error = await act.then(
    () => assert.fail('the call was not refused'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof twilio.RestException, `not a RestException: ${error}`)
  assert.equal(error.status, expected.status)
  assert.equal(error.code, expected.code)
  assert.match(error.message, expected.message)
  assert.match(error.moreInfo ?? '', new RegExp(`^https://.*/${expected.code}$`))
}

export function recent(date: Date) {
  assert.ok(date instanceof Date && Math.abs(date.getTime() - Date.now()) < 60_000, `not a Date of just now: ${date}`)
}

export const sids = (items: { sid: string }[]) => items.map((item) => item.sid)
