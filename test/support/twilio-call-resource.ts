import { parseDocument, resolveTarget } from './twilio-call-document.ts'
import {
  durationOf,
  emit,
  hasEnded,
  type Leg,
  type LegStatus,
  notify,
  part,
  timeOf,
  type World,
} from './twilio-call-legs.ts'
import { endLeg } from './twilio-call-progress.ts'
import { fetchDocument } from './twilio-call-webhooks.ts'
import { VendorError } from './twilio-numbers.ts'

/** What the REST API says of a leg, and does to a live one. */
function getLeg(world: World, sid: string): Leg {
  const leg = world.calls.flatMap(({ legs }) => legs).findLast((each) => each.sid === sid)
  if (!leg) throw new VendorError(404, 20404, `The requested resource /Calls/${sid}.json was not found`)
  return leg
}

const vendorDate = (date: Date) => date.toUTCString().replace('GMT', '+0000')

/** https://www.twilio.com/docs/voice/api/call-resource */
function presentCall({ account }: World, leg: Leg) {
  const { call, created_s, answered_s, ended_s } = leg
  const at = (seconds: number | undefined) => (seconds === undefined ? null : vendorDate(timeOf(call, seconds)))
  return {
    account_sid: account.account_sid,
    answered_by: null,
    api_version: '2010-04-01',
    caller_name: null,
    date_created: at(created_s),
    date_updated: at(ended_s ?? answered_s ?? created_s),
    direction: leg.direction,
    duration: hasEnded(leg) ? String(durationOf(leg)) : null,
    end_time: at(ended_s),
    forwarded_from: null,
    from: leg.from,
    parent_call_sid: leg.parent?.sid ?? null,
    phone_number_sid: account.numbers.find(({ phone_number }) => phone_number === leg.to)?.sid ?? '',
    price: null,
    price_unit: 'USD',
    queue_time: '0',
    sid: leg.sid,
    start_time: at(answered_s ?? created_s),
    status: leg.status,
    to: leg.to,
    trunk_sid: '',
    uri: `/2010-04-01/Accounts/${account.account_sid}/Calls/${leg.sid}.json`,
  }
}

export const getCall = (world: World, sid: string) => presentCall(world, getLeg(world, sid))

export function listCalls(world: World, query: [name: string, value: string][]) {
  const wanted = new Map(query)
  const found = world.calls
    .flatMap(({ legs }) => legs)
    .filter((leg) => [undefined, leg.parent?.sid].includes(wanted.get('ParentCallSid')))
    .filter((leg) => [undefined, leg.from].includes(wanted.get('From')))
    .filter((leg) => [undefined, leg.to].includes(wanted.get('To')))
    .filter((leg) => [undefined, leg.status].includes(wanted.get('Status') as LegStatus | undefined))
  return { calls: found.map((leg) => presentCall(world, leg)), page: 0, page_size: 50, next_page_uri: null }
}

const MOST_TWIML = 4000

/**
 * Ends a live leg or sends it elsewhere: https://www.twilio.com/docs/voice/api/call-resource#update-a-call-resource. A leg
 * that somebody dialled leaves the Dial by that.
 */
export function updateCall(world: World, sid: string, form: [name: string, value: string][]) {
  const leg = getLeg(world, sid)
  const { Status, Twiml, Url, Method, FallbackUrl, FallbackMethod } = Object.fromEntries(form)
  const isRinging = leg.answered_s === undefined
  if (hasEnded(leg)) throw new VendorError(400, 21220, 'Call is not in-progress. Cannot redirect.')
  if (Status === 'completed') endLeg(leg, isRinging ? 'canceled' : 'completed')
  else if (Status === 'canceled' && isRinging && leg.parent) endLeg(leg, 'canceled')
  if (Status || !(Twiml || Url)) return presentCall(world, leg)

  if (isRinging && leg.parent) throw new VendorError(400, 21220, 'Call is not in-progress. Cannot redirect.')
  if (Url && !URL.canParse(Url)) throw new VendorError(400, 21205, `Url is not a valid URL: ${Url}`)
  if (!Url && Twiml && Twiml.length > MOST_TWIML) throw new VendorError(400, 20001, 'Twiml is too long')
  if (FallbackUrl) leg.fallback = { url: FallbackUrl, method: FallbackMethod === 'GET' ? 'GET' : 'POST' }
  if (Url) {
    const target = resolveTarget({ verbs: [], base: undefined, method: 'POST' }, Url, Method ?? 'POST')
    leg.redirect = () => fetchDocument(leg, target)
  } else {
    leg.redirect = async () => ({ verbs: parseDocument(Twiml ?? ''), base: undefined, method: 'POST' })
  }
  leg.isDialled = false
  part(leg)
  emit(world, { kind: 'redirected', leg })
  notify(leg.call)
  return presentCall(world, leg)
}
