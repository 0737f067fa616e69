import type { CallRequest } from '../../twiml/call.ts'
import type { TwimlDocument, TwimlWarning } from '../../twiml/document.ts'
import type { Clock } from './clock.ts'
import { type Leg, statusOf } from './legs.ts'
import type { Recordings } from './recordings.ts'
import { retry, succeeds } from './retry.ts'

/** A call: the handset that called, and the legs that were dialled for it one after the other. */
export type Call = {
  /** The caller's leg has the same. */
  readonly sid: string
  readonly account_sid: string
  readonly caller: Leg
  /** The caller's comes first. */
  readonly legs: Leg[]
  /** Whom the caller is talking to. */
  partner: Leg | undefined
  readonly recordings: string[]
  readonly warnings: TwimlWarning[]
  /** The handsets that cleared their list when it had this call on it. */
  readonly cleared: Set<string>
}

/** What the network gives to each of its calls. */
export type Exchange = { clock: Clock; request: ServerRequest; recordings: Recordings }

/** Asks the server as a carrier's webhook would. Takes one of its paths or a whole URL of it. */
export type ServerRequest = (
  url: string,
  method: 'POST' | 'GET',
  params: Record<string, string>,
) => Promise<TwimlDocument>

/** What every request about a call says of it, as of now. https://www.twilio.com/docs/voice/twiml#request-parameters */
export function describeLeg(call: Call, leg: Leg): Record<string, string> {
  const isCaller = leg === call.caller
  const [from, to] = isCaller ? [leg.number, leg.caller_id] : [leg.caller_id, leg.number]
  return {
    CallSid: leg.sid,
    ...(isCaller ? {} : { ParentCallSid: call.sid }),
    AccountSid: call.account_sid,
    From: from,
    To: to,
    Caller: from,
    Called: to,
    CallStatus: statusOf(leg),
    Direction: isCaller ? 'inbound' : 'outbound-dial',
    ApiVersion: '2010-04-01',
  }
}

/**
 * Requests in the name of one leg. Each is made once more when it failed, and then the failure is the answer.
 */
export const requestsOf =
  ({ clock, request }: Exchange, call: Call, leg: Leg): CallRequest =>
  async (url, method, params) => {
    const once = async (): Promise<TwimlDocument> => {
      try {
        return await clock.outside(() => request(url, method, { ...describeLeg(call, leg), ...params }))
      } catch {
        return { status: 502, content_type: 'text/plain', body: '' }
      }
    }
    const answer = await once()
    return answer.status >= 500 ? await once() : answer
  }

/** Tells the server something. Resolves after the first try; the further ones keep nobody waiting. */
export async function notify(
  { clock, request }: Exchange,
  { url, method }: { url: string; method: 'POST' | 'GET' },
  params: Record<string, string>,
): Promise<void> {
  const act = async () => {
    const { status } = await request(url, method, params)
    if (status >= 500) throw new Error(`The server answered ${status}.`)
  }
  if (!(await succeeds(clock, act))) void retry(clock, act)
}
