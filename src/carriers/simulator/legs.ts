import { newSid } from '../../core/sid.ts'
import type { Clock } from './clock.ts'

/**
 * One side of a call: a handset, what its screen says, and what is heard on it. Whoever carries a call out waits with
 * `waitFor` until a person or the clock does something about it.
 */
export type Leg = {
  readonly sid: string
  /** As seen from the network: the caller's leg comes in, the other goes out. */
  readonly direction: 'inbound' | 'outbound'
  /** The handset. A caller that withholds its number is `anonymous`. */
  readonly number: string
  /** The number on its screen: for the caller, whom it dialled. */
  readonly caller_id: string
  readonly clock: Clock
  /** The newest comes last; there is always one. */
  readonly statuses: { status: LegStatus; date: Date }[]
  readonly heard: Heard[]
  error_code: number | undefined
  /** What was pressed since somebody began to listen; undefined when nobody does. */
  keys: string | undefined
  /** Whether a key has cut short what was being said. */
  isInterrupted: boolean
  /** Looked at whenever anything about this leg changes. */
  readonly watchers: Set<() => void>
}

export type LegStatus =
  | 'initiated'
  | 'ringing'
  | 'in-progress'
  | 'completed'
  | 'busy'
  | 'no-answer'
  | 'failed'
  | 'canceled'

/** `voice` without a text is the other person, who from now on can be heard. */
export type Heard = Sound & { date: Date }
export type Sound =
  | { kind: 'say'; text: string; language?: string | undefined }
  | { kind: 'play'; url: string }
  | { kind: 'digits'; digits: string }
  | { kind: 'pause'; seconds: number }
  | { kind: 'voice'; text?: string }
  | { kind: 'beep' | 'ring' | 'busy-tone' }

/** Of one leg; beyond it the oldest is forgotten. */
const MAX_HEARD = 1000
const MAX_KEYS = 1000

export function createLeg(
  clock: Clock,
  leg: Pick<Leg, 'direction' | 'number' | 'caller_id'> & { status: LegStatus },
): Leg {
  const { status, ...ends } = leg
  return {
    sid: newSid('CA'),
    ...ends,
    clock,
    statuses: [{ status, date: clock.now() }],
    heard: [],
    error_code: undefined,
    keys: undefined,
    isInterrupted: false,
    watchers: new Set(),
  }
}

export const statusOf = (leg: Leg): LegStatus => leg.statuses.at(-1)!.status
export const isOver = (leg: Leg) => !['initiated', 'ringing', 'in-progress'].includes(statusOf(leg))
export const dateAnswered = (leg: Leg) => leg.statuses.find(({ status }) => status === 'in-progress')?.date
export const dateEnded = (leg: Leg) => (isOver(leg) ? leg.statuses.at(-1)!.date : undefined)

/** Whole seconds of talk, once it is over. */
export function talkSeconds(leg: Leg): number | undefined {
  const ended = dateEnded(leg)
  return ended && secondsBetween(dateAnswered(leg) ?? ended, ended)
}

export const secondsBetween = (from: Date, to: Date) => Math.round((to.getTime() - from.getTime()) / 1000)

/** A leg that is over stays as it is. */
export function setStatus(leg: Leg, status: LegStatus): void {
  if (isOver(leg) || statusOf(leg) === status) return
  leg.statuses.push({ status, date: leg.clock.now() })
  tell(leg)
}

/** Ends a leg as its state demands: one that was answered is completed, whatever it would be otherwise. */
export const endLeg = (leg: Leg, unanswered: LegStatus) => setStatus(leg, dateAnswered(leg) ? 'completed' : unanswered)

export function hear(leg: Leg, sound: Sound): void {
  if (isOver(leg)) return
  leg.heard.push({ ...sound, date: leg.clock.now() })
  if (leg.heard.length > MAX_HEARD) leg.heard.shift()
}

/** Keys that nobody listens for are lost, as on a telephone. */
export function press(leg: Leg, keys: string): void {
  if (leg.keys === undefined || isOver(leg)) return
  leg.keys = (leg.keys + keys).slice(0, MAX_KEYS)
  leg.isInterrupted = true
  tell(leg)
}

function tell(leg: Leg) {
  for (const look of [...leg.watchers]) look()
}

/** Resolves as soon as `isDone`, which is looked at when something about these legs changes, or when the time is up. */
export function waitFor(legs: [Leg, ...Leg[]], isDone: () => boolean, limit_ms?: number): Promise<void> {
  if (isDone()) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = () => {
      giveUp?.()
      for (const leg of legs) leg.watchers.delete(look)
      resolve()
    }
    const look = () => {
      if (isDone()) finish()
    }
    const giveUp = limit_ms === undefined ? undefined : legs[0].clock.schedule(finish, limit_ms)
    for (const leg of legs) leg.watchers.add(look)
  })
}
