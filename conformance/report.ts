import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import type { Operation, Outcome } from './operations.ts'

type Target = ReturnType<typeof readTarget>

/** What a client is told by its environment; see conformance/README.md. */
export function readTarget() {
  const read = (name: string) => process.env[name] || assert.fail(`Set ${name}.`)
  return {
    baseUrl: read('CONFORMANCE_BASE_URL'),
    accountSid: read('CONFORMANCE_ACCOUNT_SID'),
    authToken: read('CONFORMANCE_AUTH_TOKEN'),
    apiKey: { sid: read('CONFORMANCE_API_KEY_SID'), secret: read('CONFORMANCE_API_KEY_SECRET') },
    numbers: read('CONFORMANCE_NUMBERS').split(','),
  }
}

/** Runs operations one after the other and prints a line for each; a failed one does not stop those that follow. */
export function startReport(client: string, version: string) {
  return async (operation: Operation, act: () => Promise<void>) => {
    const outcome: Outcome = { client, version, operation, ok: true }
    try {
      await act()
    } catch (error) {
      outcome.ok = false
      // An assertion's message shows a difference over several lines.
      outcome.detail = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ')
      process.exitCode = 1
    }
    console.log(JSON.stringify(outcome))
  }
}

/** Texts a proxy number from a person's simulated handset: a text that arrives is not one of the API's own calls. */
export async function textFromHandset(
  { baseUrl, accountSid, authToken }: Target,
  from: string,
  to: string,
  body: string,
) {
  const answer = await fetch(`${baseUrl}/simulator/messages`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ from, to, body }),
  })
  assert.equal(answer.status, 202)
}

/** Tries again until there is something: a relayed message is logged a moment after it was sent. */
export async function eventually<T>(find: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const found = await find()
    if (found !== undefined) return found
    await wait(100)
  }
  return assert.fail('nothing came within 50 attempts')
}

/** A fictitious person per call: a pair of number and person is not handed out again before its cool-down. */
export function startPeople() {
  let used = 0
  return () => `+120255501${String(used++).padStart(2, '0')}`
}
