import type { MessageStatus } from '../../core/carrier.ts'

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
