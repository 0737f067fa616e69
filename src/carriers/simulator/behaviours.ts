import type { MessageStatus } from '../../core/carrier.ts'
import { isE164 } from '../../core/e164.ts'

/** What becomes of a message that the network took. Reports come one after the other, each `wait_ms` after the last. */
export type Behaviour = {
  /** `'never'`: the handset does not see it. */
  arrives_after_ms: number | 'never'
  reports: { status: MessageStatus; error_code?: number; wait_ms?: number }[]
  reported: 'after-answer' | 'before-answer'
}

const DELIVERED: Behaviour = {
  arrives_after_ms: 0,
  reports: [{ status: 'sent' }, { status: 'delivered' }],
  reported: 'after-answer',
}

const undelivered = (error_code: number): Behaviour => ({
  arrives_after_ms: 'never',
  reports: [{ status: 'sent' }, { status: 'undelivered', error_code }],
  reported: 'after-answer',
})

const VALIDITY_MS = 60_000
const DELAY_MS = 30_000

/** By the last four digits of the receiving handset. All others deliver, and 0100 always will. */
const BEHAVIOURS: Record<string, Behaviour> = {
  '0100': DELIVERED,
  '0103': undelivered(30003),
  '0105': undelivered(30005),
  '0106': undelivered(30006),
  '0107': undelivered(30007),
  // It arrives, but nobody ever tells: once its validity has passed the network gives up waiting.
  '0110': { ...DELIVERED, reports: [{ status: 'sent' }, { status: 'delivery-unknown', wait_ms: VALIDITY_MS }] },
  '0111': { ...DELIVERED, reports: [{ status: 'sent' }, { status: 'delivered' }, { status: 'delivered' }] },
  '0112': { ...DELIVERED, reported: 'before-answer' },
  '0113': { ...DELIVERED, reports: [{ status: 'delivered' }, { status: 'sent' }] },
  '0114': {
    ...DELIVERED,
    arrives_after_ms: DELAY_MS,
    reports: [{ status: 'sent' }, { status: 'delivered', wait_ms: DELAY_MS }],
  },
}

export const behaviourOf = (to: string): Behaviour => BEHAVIOURS[to.slice(-4)] ?? DELIVERED

/** The vendor's magic numbers. https://www.twilio.com/docs/iam/test-credentials */
const REFUSED_TO: Record<string, number> = {
  '+15005550001': 21211,
  '+15005550002': 21612,
  '+15005550003': 21408,
  '+15005550004': 21610,
  '+15005550009': 21614,
}
const REFUSED_FROM: Record<string, number> = {
  '+15005550001': 21212,
  '+15005550007': 21606,
  '+15005550008': 21611,
}

/** The code with which a message between these two is refused; undefined when it is taken. */
export const refusalOf = ({ from, to }: { from: string; to: string }): number | undefined =>
  REFUSED_TO[to] ?? REFUSED_FROM[from]

/** What a handset does by itself when it is called. All others ring until a person acts, or nobody waits any longer. */
export type CalledBehaviour =
  | { is: 'waiting' | 'busy' | 'rejecting' }
  | {
      is: 'answering'
      after_ms: number
      /** Undefined: until the other side ends it. */
      talks_ms: number | undefined
      /** Of an answering machine, before its tone. */
      greeting?: string
    }

const CALLED: Record<string, CalledBehaviour> = {
  '0120': { is: 'answering', after_ms: 2000, talks_ms: 5000 },
  '0121': { is: 'busy' },
  '0122': { is: 'waiting' },
  '0123': { is: 'rejecting' },
  '0124': {
    is: 'answering',
    after_ms: 0,
    talks_ms: 30_000,
    greeting: 'Nobody can take your call. Please leave a message after the tone.',
  },
  '0126': { is: 'answering', after_ms: 0, talks_ms: undefined },
}

/** By the last four digits, too. */
export const calledBehaviourOf = (number: string): CalledBehaviour => CALLED[number.slice(-4)] ?? { is: 'waiting' }

/** How long this caller lets the other side ring; undefined for as long as the network does. */
export const ringsFor = (caller: string): number | undefined => (caller.slice(-4) === '0125' ? 3000 : undefined)

const CALL_REFUSED_TO: Record<string, number> = {
  '+15005550001': 21217,
  '+15005550002': 21214,
  '+15005550003': 21215,
  '+15005550004': 21216,
}

/** The code with which a call fails; undefined when it goes through. */
export const callRefusalOf = ({ from, to }: { from: string; to: string }): number | undefined =>
  isE164(to) ? (CALL_REFUSED_TO[to] ?? (from === '+15005550001' ? 21212 : undefined)) : 21217
