import { randomBytes } from 'node:crypto'
import { createRandom } from '../../../proof/random.ts'
import { twilioSignature } from '../../../src/core/signature.ts'
import { poolNumberOf, type Shape, sidesOf, WORDS } from '../../people.ts'
import { formRequest } from '../connection.ts'
import type { Requests } from '../loops.ts'

/** Somebody of the data set texts their partner: the webhook as Twilio makes it, signed. */
export type InboundParameters = {
  /** As it is signed. */
  url: string
  account_sid: string
  auth_token: string
  shape: Shape
}

export function createRequests({ url, account_sid, auth_token, shape }: InboundParameters): Requests {
  const random = createRandom(shape.seed)
  const path = new URL(url).pathname
  const next = () => {
    const side = sidesOf(shape, random.below(shape.sessions))[random.below(2)]
    const sid = `SM${randomBytes(16).toString('hex')}`
    const params: Record<string, string> = {
      ToCountry: 'US',
      ToState: '',
      SmsMessageSid: sid,
      NumMedia: '0',
      ToCity: '',
      FromZip: '',
      SmsSid: sid,
      FromState: '',
      SmsStatus: 'received',
      FromCity: '',
      Body: WORDS[random.below(WORDS.length)] ?? '',
      FromCountry: 'US',
      To: poolNumberOf(side?.proxy ?? 0),
      ToZip: '',
      NumSegments: '1',
      MessageSid: sid,
      AccountSid: account_sid,
      From: side?.identifier ?? '',
      ApiVersion: '2010-04-01',
    }
    const headers = {
      'x-twilio-signature': twilioSignature(auth_token, url, Object.entries(params)),
      'i-twilio-idempotency-token': sid,
      'user-agent': 'TwilioProxy/1.1',
      accept: '*/*',
    }
    return formRequest(path, headers, new URLSearchParams(params).toString())
  }
  return { next, expects: 200 }
}
