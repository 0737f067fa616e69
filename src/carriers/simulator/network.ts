import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { InboundMessage, OutboundMessage, SentMessage, StatusReport } from '../../core/carrier.ts'
import { isE164 } from '../../core/e164.ts'
import { ProxyError } from '../../core/errors.ts'
import { isSid, newSid } from '../../core/sid.ts'
import { type Behaviour, behaviourOf } from './behaviours.ts'
import type { ServerRequest } from './call.ts'
import { type Calls, createCalls } from './calls.ts'
import { type Clock, createClock, MACHINE_TIME, type TimeSource } from './clock.ts'
import { createHandsets, forgetOldest, type HandsetMessage } from './handsets.ts'
import { createRecordings, type Recordings } from './recordings.ts'
import { retry, succeeds } from './retry.ts'
import { countSegments } from './segments.ts'

/**
 * A telephone network inside this process: handsets that text and call, and are texted and called. It stands where a
 * carrier would, calling `receive` and `report` as a carrier calls webhooks, again when they throw; about calls it makes
 * a carrier's requests, by `request`. Nothing in it is left to chance: what becomes of a message or a call follows from
 * the numbers, and time comes from `time` and is moved ahead for each account by its clock.
 *
 * It is in memory only. A restart forgets the handsets, their messages, calls and recordings, and the reports still to
 * come; and every server has a network of its own, so with several a message shows at the server that sent it.
 */
export type NetworkOptions = {
  /** Takes a message to a proxy number. Called again with the same `event_id` when it throws; logging that is its own. */
  receive: (carrier_sid: string, account_sid: string, message: InboundMessage) => Promise<void>
  /** Takes a report about a message we sent. Called again when it throws, too. */
  report: (carrier_sid: string, leg: Leg, report: StatusReport) => Promise<void>
  /** Whether the account has this number as a proxy number. All others are handsets. */
  isProxyNumber: (account_sid: string, phone_number: string) => Promise<boolean>
  /**
   * Makes a request to one of our webhooks, named by its path or its whole URL, with the form `params`, and the network's
   * `secret` in the header `SECRET_HEADER`.
   */
  request: ServerRequest
  time?: TimeSource
}

export const SECRET_HEADER = 'x-simulator-secret'

export type Network = {
  /** The handset `text.from` texts. Resolves to the message's SID; throws 21211 for a short code nobody has. */
  sendFromHandset(carrier: CarrierIds, text: Text): Promise<string>
  /** A proxy number texts the handset `message.to`: once, however often it is asked with the same reference. */
  sendToHandset(carrier: CarrierIds, message: OutboundMessage): Promise<SentMessage>
  findSent(account_sid: string, reference: string): SentMessage | undefined
  messagesOf(account_sid: string, number: string): readonly HandsetMessage[]
  clearMessages(account_sid: string, number: string): void
  listHandsets(account_sid: string): { number: string; messages: number }[]
  calls: Calls
  recordings: Recordings
  clockOf(account_sid: string): Clock
  /** Whoever knows it is this network. */
  secret: string
}

export type Text = { from: string; to: string; body: string; media_urls: string[] }

type CarrierIds = { sid: string; account_sid: string }
type Leg = { service_sid: string; sid: string }

/** How many references are remembered: far more than can be in doubt at once. */
const MAX_REFERENCES = 100_000

export function createNetwork(options: NetworkOptions): Network {
  const { receive, report, isProxyNumber, request, time = MACHINE_TIME } = options
  const handsets = createHandsets()
  const sent = new Map<string, SentMessage>()
  const recordings = createRecordings()
  const clocks = new Map<string, Clock>()

  function clockOf(account_sid: string): Clock {
    const clock = clocks.get(account_sid) ?? createClock(time)
    clocks.set(account_sid, clock)
    return clock
  }

  async function runReports(carrier: CarrierIds, leg: Leg, carrier_message_id: string, { reports }: Behaviour) {
    const clock = clockOf(carrier.account_sid)
    for (const { status, error_code, wait_ms } of reports) {
      if (wait_ms) await clock.wait(wait_ms)
      const act = () => report(carrier.sid, leg, { carrier_message_id, status, error_code })
      if (!(await succeeds(clock, act))) await retry(clock, act)
    }
  }

  return {
    async sendFromHandset({ sid: carrier_sid, account_sid }, text) {
      const clock = clockOf(account_sid)
      const isOurs = await isProxyNumber(account_sid, text.to)
      if (!isOurs && !isE164(text.to)) throw new ProxyError(21211)
      const message = { ...text, sid: newMessageSid(text), date: clock.now() }
      handsets.add(account_sid, text.from, { ...message, direction: 'outbound' })
      if (!isOurs) {
        handsets.add(account_sid, text.to, { ...message, direction: 'inbound' })
        return message.sid
      }
      const act = () => receive(carrier_sid, account_sid, inboundMessage(message))
      if (!(await succeeds(clock, act))) void retry(clock, act)
      return message.sid
    },

    async sendToHandset(carrier, { reference, status_url, from, to, body, media_urls }) {
      const { account_sid } = carrier
      const clock = clockOf(account_sid)
      const known = sent.get(account_sid + reference)
      if (known) return known
      const leg = parseStatusUrl(status_url)
      const behaviour = behaviourOf(to)
      const text = { from, to, body, media_urls }
      const sid = newMessageSid(text)
      const answer: SentMessage = { carrier_message_id: sid, resource_sid: sid, status: 'queued' }
      sent.set(account_sid + reference, answer)
      forgetOldest(sent, MAX_REFERENCES)

      const arrive = () => handsets.add(account_sid, to, { sid, direction: 'inbound', ...text, date: clock.now() })
      if (behaviour.arrives_after_ms === 0) arrive()
      else if (behaviour.arrives_after_ms !== 'never') clock.schedule(arrive, behaviour.arrives_after_ms)
      if (behaviour.reported === 'before-answer') await runReports(carrier, leg, sid, behaviour)
      else clock.schedule(() => void runReports(carrier, leg, sid, behaviour), 0)
      return answer
    },

    findSent: (account_sid, reference) => sent.get(account_sid + reference),
    messagesOf: handsets.messagesOf,
    clearMessages: handsets.clear,
    listHandsets: handsets.list,
    calls: createCalls({ request, isProxyNumber, clockOf, recordings }),
    recordings,
    clockOf,
    secret: randomBytes(32).toString('hex'),
  }
}

const newMessageSid = ({ media_urls }: Text) => newSid(media_urls.length > 0 ? 'MM' : 'SM')

const inboundMessage = ({ sid, from, to, body, media_urls }: Text & { sid: string }): InboundMessage => ({
  event_id: sid,
  resource_sid: sid,
  from,
  to,
  body,
  media: media_urls.map((url) => ({ url, content_type: /^data:([\w.+-]+\/[\w.+-]+)[;,]/i.exec(url)?.[1] })),
  num_segments: media_urls.length > 0 ? 1 : countSegments(body),
  geography: {},
})

/** The address a report would be posted to ends in the leg it is about. */
function parseStatusUrl(status_url: string): Leg {
  const [, service_sid = '', sid = ''] = /\/status\/([^/?#]+)\/([^/?#]+)$/.exec(status_url) ?? []
  assert(isSid('KS', service_sid) && isSid('KI', sid), 'a status URL ends in /status/, a service and an interaction')
  return { service_sid, sid }
}
