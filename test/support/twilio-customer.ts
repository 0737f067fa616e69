import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import twilioPackage from 'twilio'
import { type ReceiverAnswer, startReceiver } from './receiver.ts'
import { startTwilioApi } from './twilio-api.ts'
import type { CallRequest } from './twilio-call-legs.ts'

/** A small customer of the stand-in for Twilio, whose server answers with TwiML of the vendor's package. */
export const { VoiceResponse } = twilioPackage.twiml
export type Voice = InstanceType<typeof VoiceResponse>

export const [ALICE, BOB, PROXY, OTHER_PROXY] = [
  '+12025550101',
  '+12025550102',
  '+12025550111',
  '+12025550112',
] as const

/** A page is what a path answers: TwiML that is built anew, or any answer. */
export type Page = ((voice: Voice) => unknown) | ReceiverAnswer

export async function startCustomer(
  t: TestContext,
  pages: Record<string, Page>,
  settings: Record<string, unknown> = {},
) {
  const receiver = await startReceiver(t, ({ target }) => {
    const page = pages[target.split('?')[0]!]
    if (typeof page === 'object') return page
    const voice = new VoiceResponse()
    page?.(voice)
    return { headers: { 'content-type': 'text/xml' }, body: voice.toString() }
  })
  const twilio = await startTwilioApi({ after: (stop) => t.after(stop) })
  twilio.addNumber({ phone_number: PROXY, voice_url: `${receiver.url}/voice`, ...settings })
  twilio.addNumber({ phone_number: OTHER_PROXY })
  const rest = (method: string, path: string, form?: Record<string, string>) =>
    fetch(`${twilio.url}/2010-04-01/Accounts/${twilio.account_sid}${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${twilio.account_sid}:${twilio.auth_token}`).toString('base64')}`,
      },
      ...(form && { body: new URLSearchParams(form) }),
    })
  return { receiver, twilio, rest, call: () => twilio.call({ from: ALICE, to: PROXY }) }
}

export const paths = (requests: CallRequest[]) => requests.map(({ url }) => new URL(url).pathname)
export const last = (requests: CallRequest[], path: string) =>
  requests.findLast(({ url }) => new URL(url).pathname === path)!
/** A relayed call, as a masking server would have it. */
export const relay = (voice: Voice) => {
  const dial = voice.dial({ callerId: OTHER_PROXY, answerOnBridge: true, timeout: 20, timeLimit: 60, action: '/done' })
  dial.number({ statusCallback: '/leg', statusCallbackEvent: ['initiated', 'ringing', 'answered', 'completed'] }, BOB)
}

/** That `actual` has these fields with these values, whatever else it has. */
export function assertHas(actual: Record<string, unknown>, expected: Record<string, unknown>) {
  const found = Object.fromEntries(Object.keys(expected).map((name) => [name, actual[name]]))
  assert.deepEqual(found, expected)
}
