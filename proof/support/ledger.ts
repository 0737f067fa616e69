import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { Agent, request } from 'undici'
import { vendorSid } from '../../test/support/twilio-numbers.ts'
import { inboundParams } from '../../test/support/twilio-webhooks.ts'
import type { MessageWorld, Route } from './message-world.ts'

/** One try to bring an event to the server, as the carrier saw it. */
export type Try = {
  /** `refused` is whatever was answered that is no 2xx; `unreachable` that nothing listened; `broken` that nothing came. */
  outcome: 'acknowledged' | 'refused' | 'unreachable' | 'broken'
  status: number | undefined
  began_at: number
  ms: number
  /** The answer's headers. */
  request_id: string | undefined
}

export type Text = { sid: string; body: string; route: Route; tries: Try[]; acknowledged: boolean }

export type Ledger = ReturnType<typeof createLedger>

/**
 * What the carrier brought, and what it was told: kept outside of the server, as the carrier would. The stand-in's record
 * of what the server then sent is held against it.
 */
export function createLedger({ twilio, door, routes, server }: MessageWorld, options: { connections?: number } = {}) {
  const agent = new Agent({ connections: options.connections ?? 512, pipelining: 1, keepAliveTimeout: 2_000 })
  const texts: Text[] = []
  let made = 0
  let acknowledged = 0

  async function post(url: string, params: Record<string, string>, port: number): Promise<Try> {
    const began = performance.now()
    const began_at = Date.now()
    const headers = {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'x-twilio-signature': getExpectedTwilioSignature(twilio.auth_token, url, params),
    }
    const { pathname } = new URL(url)
    const about = { began_at, status: undefined, request_id: undefined }
    try {
      const {
        statusCode: status,
        headers: answered,
        body,
      } = await request(`http://127.0.0.1:${port}${pathname}`, {
        ...{ method: 'POST', headers, dispatcher: agent, headersTimeout: 60_000 },
        body: new URLSearchParams(params).toString(),
      })
      await body.dump()
      const outcome = status >= 200 && status < 300 ? 'acknowledged' : 'refused'
      const request_id = String(answered['twilio-request-id'])
      return { ...about, outcome, status, ms: performance.now() - began, request_id }
    } catch (error) {
      const outcome = isRefusedConnection(error) ? 'unreachable' : 'broken'
      return { ...about, outcome, ms: performance.now() - began }
    }
  }

  const ledger = {
    texts,

    /** The next event: somebody texts. */
    next(): Text {
      const route = routes[made % routes.length]
      if (!route) throw new Error('nobody texts anybody here')
      const text = { sid: vendorSid('SM'), body: `text ${++made}`, route, tries: [], acknowledged: false }
      texts.push(text)
      return text
    },

    /** Brings it to the server, once. */
    async bring(text: Text, port = server.port): Promise<Try> {
      const { sid, body, route } = text
      const params = inboundParams(twilio.account, { sid, body, from: route.from, to: route.to })
      const outcome = await post(`${door}/messages`, params, port)
      text.tries.push(outcome)
      if (outcome.outcome === 'acknowledged' && !text.acknowledged) {
        text.acknowledged = true
        acknowledged++
      }
      return outcome
    },

    post,

    /** Which of the acknowledged were not sent, sent several times, or sent otherwise than they should be. */
    audit(): { lost: Text[]; doubled: Text[]; astray: Text[] } {
      const sent = new Map<string, { from: string; to: string }[]>()
      for (const message of twilio.sent()) sent.set(message.body, [...(sent.get(message.body) ?? []), message])
      const legsOf = (text: Text) => sent.get(text.body) ?? []
      return {
        lost: texts.filter((text) => text.acknowledged && legsOf(text).length === 0),
        doubled: texts.filter((text) => legsOf(text).length > 1),
        astray: texts.filter((text) =>
          legsOf(text).some(({ from, to }) => from !== text.route.then.from || to !== text.route.then.to),
        ),
      }
    },

    acknowledged: () => acknowledged,

    /** Everything so far is looked at: what comes now is held against what is sent from now on. */
    turnOver() {
      texts.length = 0
      acknowledged = 0
      twilio.account.messages.length = 0
      twilio.requests.length = 0
    },

    close: () => agent.close(),
  }
  return ledger
}

const isRefusedConnection = (error: unknown) => (error as { code?: string }).code === 'ECONNREFUSED'

/** The same events, as often as the carrier would, until each is acknowledged or `limit_ms` have passed. */
export async function bringUntilTaken(ledger: Ledger, text: Text, options: { port: () => number; limit_ms: number }) {
  const deadline = performance.now() + options.limit_ms
  while (!text.acknowledged && performance.now() < deadline) {
    const { outcome } = await ledger.bring(text, options.port())
    if (outcome !== 'acknowledged') await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
