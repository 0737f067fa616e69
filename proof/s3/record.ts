import { Agent, request } from 'undici'
import type { Params } from '../support/http.ts'
import type { Asked, Entry, Fault, History, Leg, Outcome, Span } from './history.ts'

/** The one clock of all that is recorded: the machine's, which is the database's, too. */
export const now = () => Date.now()

export type Recorder = ReturnType<typeof createRecorder>

/** Keeps what everybody outside of the servers did and saw, as it comes. */
export function createRecorder() {
  const entries: Entry[] = []
  const interactions = new Map<Leg, string>()
  return {
    add<Added extends Entry>(entry: Added): Added {
      entries.push(entry)
      return entry
    },
    /** A leg with the interaction that it is of. */
    addLeg(leg: Leg, interaction: string) {
      entries.push(leg)
      interactions.set(leg, interaction)
    },
    /** `begun` has when each interaction was taken up to be sent, every time. */
    history(begun: Map<string, number[]>): History {
      const faults = entries.filter((entry) => entry.type === 'fault')
      for (const entry of entries) {
        if (entry.type === 'leg') entry.began_at = takenUp(entry, begun.get(interactions.get(entry) ?? ''))
        if (entry.type === 'asked' && entry.answer === 'no' && mayBeLost(entry, faults)) entry.answer = 'silence'
      }
      return [...entries].sort((one, other) => startOf(one) - startOf(other))
    },
  }
}

/** The last time before the request was there. One that nobody took up began when it came. */
const takenUp = (leg: Leg, times: number[] = []) =>
  times.filter((time) => time <= leg.began_at).reduce((last, time) => Math.max(last, time), 0) || leg.began_at

/** What a fault may do to an answer, after it was given or before: whoever asked may not have heard it in time. */
const LOST_MS = 5_000
const KEEPS_ANSWERS = /^(the line to the customer|server \d is stopped)/

const mayBeLost = (asked: Asked, faults: Fault[]) =>
  faults.some(
    ({ what, began_at, ended_at }) =>
      KEEPS_ANSWERS.test(what) && began_at < asked.ended_at + LOST_MS && ended_at > asked.began_at - LOST_MS,
  )

const startOf = (entry: Entry) => ('at' in entry ? entry.at : entry.began_at)

// biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
type Body = Record<string, any>
export type Answer = Span & { status: number | undefined; outcome: Outcome; text: string; body: Body }

const agent = new Agent({ pipelining: 1, keepAliveTimeout: 1_000, connect: { timeout: 2_000 } })

/** A request whose answer may not come: whoever asks gives up after `limit_ms`, and does not know then. */
export async function tryAsk(
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  { headers, params, limit_ms }: { headers: Record<string, string>; params?: Params; limit_ms: number },
): Promise<Answer> {
  const began_at = now()
  try {
    const { statusCode: status, body } = await request(url, {
      method,
      headers: params ? { ...headers, 'content-type': 'application/x-www-form-urlencoded' } : headers,
      ...(params ? { body: new URLSearchParams(params).toString() } : {}),
      dispatcher: agent,
      signal: AbortSignal.timeout(limit_ms),
    })
    const text = await body.text()
    const parsed: Body = text.startsWith('{') ? JSON.parse(text) : {}
    return { began_at, ended_at: now(), status, outcome: outcomeOf(status), text, body: parsed }
  } catch {
    return { began_at, ended_at: now(), status: undefined, outcome: 'unknown', text: '', body: {} }
  }
}

const outcomeOf = (status: number): Outcome => (status < 300 ? 'done' : status < 500 ? 'refused' : 'unknown')
