import { post, presentAttempt, withoutQuery } from '../callbacks/post.ts'
import { authTokenOf } from '../core/accounts.ts'
import { recordAttempt } from '../core/callbacks.ts'
import { newSid } from '../core/sid.ts'
import type { Interaction } from '../db/schema.ts'
import { isTwimlType } from '../twiml/document.ts'
import { TwimlError } from '../twiml/parse.ts'
import { passThrough } from '../twiml/pass-through.ts'
import { addressesOf, recordCallEvent } from './addresses.ts'
import type { CallCarrier, CallContext } from './context.ts'
import { apologise, nothing, play } from './markup.ts'

/**
 * A customer's TwiML, made fit for the carrier. Every document of the call comes through here, the first and those that
 * its verbs ask for: so a Dial in any of them shows the dialled proxy number and never the caller's, the customer's
 * application sees our signature with its own token, and the guard stands before every address.
 */
export async function handOn(
  { store }: CallContext,
  carrier: CallCarrier,
  row: Interaction,
  document: { body: string; url: string },
): Promise<string> {
  const at = addressesOf(store, row)
  try {
    const { twiml, warnings } = passThrough(document.body, {
      url: document.url,
      caller_id: row.dialled_number ?? '',
      caller: row.sender_sealed ? store.keys.open(`${row.sid}/sender`, row.sender_sealed) : '',
      via: (url, method, purpose) =>
        at(`via?${new URLSearchParams({ method, to: url, ...(purpose === 'tell' ? { tell: 'true' } : {}) })}`),
      ingress: (url) =>
        isIngress(store.rules.public_url, url) ? ingressOf(store.rules.public_url, carrier, row) : undefined,
    })
    for (const { error_code, reason } of warnings) {
      await recordCallEvent(store, row, { error_code, message: reason })
    }
    return twiml
  } catch (error) {
    if (!(error instanceof TwimlError)) throw error
    await recordCallEvent(store, row, { error_code: error.code, message: error.message })
    return apologise()
  }
}

const MAX_BOUNCES = 20

/**
 * `after` says which arrival sent the call here again, so that it counts as another one, and how many did so before: an
 * application that sends every call back would go on for ever.
 */
function ingressOf(public_url: string, { sid }: CallCarrier, { sid: row_sid, event_id }: Interaction): string {
  const bounces = Number(/\/KI\w{32}\.(\d+)$/.exec(event_id ?? '')?.[1] ?? 0) + 1
  if (bounces > MAX_BOUNCES) throw new TwimlError(`The TwiML sent the call back more than ${MAX_BOUNCES} times.`, 11200)
  return `${public_url}/webhooks/${sid}/calls?after=${row_sid}.${bounces}`
}

/** Ours, by either name, or the vendor's, which applications that moved here may still have. */
function isIngress(public_url: string, address: string): boolean {
  const { origin, pathname } = new URL(address)
  const isVendorPath = /^\/v1\/Accounts\/AC\w{32}\/Proxy\/KS\w{32}\/Webhooks\/Call$/.test(pathname)
  if (origin === 'https://webhooks.twilio.com') return isVendorPath
  const base = new URL(public_url)
  const path = pathname.slice(base.pathname.replace(/\/$/, '').length)
  return origin === base.origin && (isVendorPath || /^\/webhooks\/MC\w{32}\/calls$/.test(path))
}

const TIMEOUT_MS = 10_000
const NOT_TWIML = 'What a verb of the TwiML asked for is no TwiML. Answer with application/xml.'

export type Errand = { url: string; method: 'POST' | 'GET'; tell: boolean; params: [name: string, value: string][] }

/** Fetches what a verb of a customer's document asks for, on the carrier's behalf. */
export async function fetchOnBehalf(
  context: CallContext,
  carrier: CallCarrier,
  row: Interaction,
  { url, method, tell, params }: Errand,
): Promise<string> {
  const { store, guard } = context
  const request = {
    url,
    method,
    // The customer knows the account by its SID here, whatever the carrier's may be.
    params: params.map(([name, value]): [string, string] => [name, name === 'AccountSid' ? row.account_sid : value]),
    auth_token: await authTokenOf(store, row.account_sid),
    idempotency_token: newSid('RQ'),
    timeout_ms: TIMEOUT_MS,
    reads: tell ? ('status' as const) : ('body' as const),
  }
  const answer = await post(request, guard)
  await recordAttempt(store, row, { kind: 'out-of-session', attempt: 1, ...presentAttempt(withoutQuery(url), answer) })
  const isGood = answer.outcome === 'answered' && answer.status_code >= 200 && answer.status_code <= 299
  if (!isGood) {
    await recordCallEvent(store, row, { error_code: 11200, values: { url: withoutQuery(url) } })
    return tell ? nothing() : apologise()
  }
  if (tell || answer.body.trim() === '') return nothing()
  // What is played to those who wait may be sound itself.
  if (/^\s*audio\//i.test(answer.content_type)) return play(url)
  if (!isTwimlType(answer.content_type)) {
    await recordCallEvent(store, row, { error_code: 12300, message: NOT_TWIML })
    return apologise()
  }
  return await handOn(context, carrier, row, { body: answer.body, url })
}
