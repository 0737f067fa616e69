/**
 * What was asked and what was seen, by those outside: clients of the API, carriers, and the customer's application. All of
 * them are in one process, so all times are of one clock, in milliseconds since 1970: the machine's, as `Date.now()` reads it
 * and the database judges by it. In any order.
 */
export type History = Entry[]

export type Entry = Change | Told | Leg | Asked | Shown | Found | Fault

/** When it was asked, and when the answer was there or the line broke. */
export type Span = { began_at: number; ended_at: number }

/**
 * `done`: answered with 2xx, so it happened within the span. `refused`: with 4xx, so it did not happen. `unknown`: with 5xx
 * or not at all; it may have happened at any time since `began_at`.
 */
export type Outcome = 'done' | 'refused' | 'unknown'

/** A person in a session, as an answer of the API shows them. */
export type Member = { sid: string; identifier: string; proxy: string }

/**
 * What a client had changed. Sessions go by their unique name, which is known even when the answer is not, and is never used
 * for a second session.
 */
export type Change = Span & { type: 'change'; outcome: Outcome; status: number | undefined } & (
    | { what: 'service'; service: ServiceRules }
    /** `service` is the SID of the service whose pool it is. */
    | { what: 'add number' | 'remove number'; service: string; number: string }
    | ({ what: 'open'; service: string; session: string; identifiers: string[]; members: Member[] } & Ending & Choice)
    | { what: 'close' | 'delete'; session: string }
    /** Of a closed session. The members are as the answers showed them, and empty when there was none. */
    | ({ what: 'reopen'; session: string; members: Member[] } & Ending)
    | ({ what: 'join'; session: string; identifier: string; members: Member[] } & Choice)
    | { what: 'leave'; session: string; member: Member }
  )

/** `ends_at` is what holds from then on. Where it is null, a `ttl_ms` ends the session so long after its last interaction. */
export type Ending = { ends_at: number | null; ttl_ms?: number | undefined }

/** Whether the client named the proxy numbers itself, which in a best-effort service is its own affair. */
export type Choice = { is_named?: boolean | undefined }

export type ServiceRules = {
  sid: string
  /** For how long and how firmly people are kept off numbers that they had with somebody else. */
  cool_down_ms: number
  cool_down_mode: 'best-effort' | 'strict'
  numbers: string[]
}

/** The carrier told the server of a message or a call, once; a repeat is another entry with the same event. */
export type Told = Span & {
  type: 'told'
  kind: 'message' | 'call'
  event: string
  from: string
  to: string
  status: number | undefined
  outcome: Outcome
  /** What the answer dials, if it does. */
  dials: { number: string; caller_id: string } | null
}

/**
 * The carrier was asked to send a message. Its text names the event that it came of. It began when a server took it up to
 * send it: the moment by which the database judged whether it may, the `now()` of that statement. From there to the carrier
 * it may take as long as a process and a line are held up. `is_taken` says whether it was taken where the status does not:
 * the carrier may take it and break the line before it answers.
 */
export type Leg = Span & {
  type: 'leg'
  event: string
  from: string
  to: string
  status: number | undefined
  is_taken?: boolean | undefined
}

/**
 * The customer's application was asked whether an interaction may go on. A `no` is one that was surely heard; where that is
 * not known it is `silence`, and nothing follows from it.
 */
export type Asked = Span & { type: 'asked'; event: string; answer: 'go on' | 'no' | 'silence' | 'fault' }

/** What the partner, or somebody whose request failed, got to see. `of` is the event or the session it is about. */
export type Shown = { type: 'shown'; at: number; to: 'partner' | 'error'; of: string; text: string }

/** At the end, when nothing is under way and all servers are up: what there is, read through the API. */
export type Found = {
  type: 'found'
  at: number
  service: string
  session: string
  status: string
  members: Member[]
  /** Of its interactions, with the event that each came of and how its outbound leg ended. */
  interactions: { event: string; outbound_status: string | null }[]
}

/** What was broken meanwhile. The checker reads no rule from it; a report names what was going on. */
export type Fault = Span & { type: 'fault'; what: string }
