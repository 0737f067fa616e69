import type { Interaction, SessionStatus, Verdict } from '../api/bodies.ts'
import type { StreamState } from '../api/stream.ts'
import { Badge } from './button.tsx'
import s from './verdict.module.css'

const STATES = {
  delivered: { tone: 'good', word: 'Delivered' },
  'under-way': { tone: 'info', word: 'Under way' },
  failed: { tone: 'bad', word: 'Failed' },
  stopped: { tone: 'warn', word: 'Stopped' },
  nobody: { tone: 'warn', word: 'Nobody there' },
  unknown: { tone: 'dim', word: 'Not known' },
} as const

export const toneOf = ({ state }: Verdict) => STATES[state]?.tone ?? 'dim'

type Judged = Pick<Interaction, 'type' | 'verdict'>
export const verdictWord = ({ type, verdict: { state } }: Judged) =>
  type !== 'message' && state === 'delivered' ? 'Answered' : (STATES[state]?.word ?? state)

/** What became of a message or call, in a word. */
export const VerdictBadge = ({ of }: { of: Judged }) => <Badge tone={toneOf(of.verdict)}>{verdictWord(of)}</Badge>

const STATUSES = {
  open: { tone: 'info', word: 'Open' },
  'in-progress': { tone: 'good', word: 'In progress' },
  closed: { tone: 'dim', word: 'Closed' },
  failed: { tone: 'bad', word: 'Failed' },
  unknown: { tone: 'dim', word: 'Not known' },
} as const

export const StatusBadge = ({ status }: { status: SessionStatus }) => (
  <Badge tone={STATUSES[status].tone}>{STATUSES[status].word}</Badge>
)

const CALLBACKS: Record<string, { tone: 'good' | 'info' | 'bad'; word: string }> = {
  delivered: { tone: 'good', word: 'Delivered' },
  pending: { tone: 'info', word: 'Pending' },
  failed: { tone: 'bad', word: 'Failed' },
}

export const CallbackBadge = ({ status }: { status: string }) => (
  <Badge tone={CALLBACKS[status]?.tone ?? 'dim'}>{CALLBACKS[status]?.word ?? status}</Badge>
)

const LIVE = {
  connecting: 'Connecting …',
  live: 'Live',
  broken: 'Not live: reload the page to see what is new.',
}

/** Whether what is shown keeps itself up to date. */
export const LiveMark = ({ state }: { state: StreamState }) => (
  <span className={s.live} data-state={state} role="status">
    {LIVE[state]}
  </span>
)

/** Told to whoever listens instead of looking, when it changes. */
export const Announced = ({ text }: { text: string | undefined }) => (
  <span className={s.unseen} aria-live="polite">
    {text}
  </span>
)
