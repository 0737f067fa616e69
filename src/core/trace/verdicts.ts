import type { Interaction } from '../../db/schema.ts'

/** Everything that can have become of an interaction: how it counts, and one plain sentence. */
export const STATES = ['delivered', 'under-way', 'failed', 'stopped', 'nobody', 'unknown'] as const
export type VerdictState = (typeof STATES)[number]

/** What the sentences are filled with. */
export type Words = { who: string; reason: string; until: string; code: string; tries: string }

type Sentence = string | ((row: Interaction, words: Words) => string)

const entry = (state: VerdictState, text: Sentence) => ({ state, text })

export const VERDICTS = {
  delivered: entry('delivered', 'The carrier reported that it was delivered.'),
  'call-completed': entry('delivered', ({ duration_s }) =>
    duration_s ? `The call was answered and lasted ${duration_s} seconds.` : 'The call was answered and ended.',
  ),
  'call-at-limit': entry(
    'delivered',
    ({ duration_s }) => `The call lasted ${duration_s} seconds, which is as long as the service lets one last.`,
  ),

  queued: entry('under-way', 'It is due and will be sent in a moment.'),
  'being-judged': entry(
    'under-way',
    'The content guard or the InterceptCallbackUrl of the service is deciding whether it may pass.',
  ),
  'being-sent': entry('under-way', 'It is being handed to the carrier.'),
  'waiting-for-retry': entry(
    'under-way',
    (_, { until, tries }) => `The carrier did not take it in ${tries}; the next is due at ${until}.`,
  ),
  'with-carrier': entry('under-way', 'The carrier has taken it and has not reported that it was sent yet.'),
  sent: entry('under-way', 'The carrier has sent it and has not reported that it arrived yet.'),
  'call-connecting': entry('under-way', 'The carrier was told to call the partner and has reported nothing yet.'),
  'call-rings': entry('under-way', "The partner's phone is being called."),
  'call-lasts': entry('under-way', 'The partner has answered and the call goes on.'),
  'application-asked': entry('under-way', (_, { who }) => `${who}, and the application is being asked what to do.`),

  'carrier-refused': entry('failed', (_, { reason }) => `The carrier refused to take it: ${reason}.`),
  'carrier-failed': entry('failed', (_, { reason }) => `The carrier took it and then failed to send it: ${reason}.`),
  undelivered: entry('failed', (_, { reason }) => `The carrier sent it and it did not arrive: ${reason}.`),
  'given-up': entry('failed', (_, { tries }) => `The carrier did not take it in ${tries}, so it was given up.`),
  'nothing-left': entry(
    'failed',
    'Nothing was left to send: it has no text, and its attachments could not be had or cannot leave from this number.',
  ),
  'call-busy': entry('failed', "The partner's phone was busy, or the call was rejected there."),
  'call-not-answered': entry('failed', 'The partner did not answer in time.'),
  'call-failed': entry('failed', ({ error_code }, { reason }) =>
    error_code === null ? 'The carrier could not put the call through.' : `The call was not put through: ${reason}.`,
  ),
  'call-over-other-carrier': entry(
    'failed',
    "The call was not put through, because the partner's proxy number is at another carrier than the caller's.",
  ),

  'session-closed': entry('stopped', 'Its session was closed before it left.'),
  'session-expired': entry('stopped', 'Its session ran out before it left.'),
  'participant-removed': entry('stopped', 'One of the two was removed from the session before it left.'),
  'carrier-canceled': entry('stopped', 'It was canceled at the carrier.'),
  'caller-gave-up': entry('stopped', 'The caller hung up before the partner answered.'),
  intercepted: entry('stopped', 'The InterceptCallbackUrl answered 403, so it was blocked.'),
  'intercept-failed': entry(
    'stopped',
    'The InterceptCallbackUrl failed to answer, and the service blocks what it was not asked about in time.',
  ),
  'content-guard': entry('stopped', ({ content_found }) => {
    const kinds = Object.entries(content_found ?? {}).flatMap(([kind, action]) => (action === 'block' ? kind : []))
    return `The content guard stopped it${kinds.length > 0 ? `, because of ${kinds.map(spaced).join(', ')}` : ''}.`
  }),
  'number-blocked': entry('stopped', "The sender's number is blocked in this service."),
  flood: entry('stopped', 'The sender had sent too much to this number within a short time.'),
  'not-let-in': entry(
    'stopped',
    'It was not let in: the sender is blocked in this service or had sent too much, as an earlier event says.',
  ),
  'opt-out': entry('stopped', 'It was an opt-out word such as STOP, which is not passed on.'),
  'messages-not-allowed': entry('stopped', 'Its session is for calls only.'),
  'calls-not-allowed': entry('stopped', 'Its session is for messages only.'),

  'no-partner': entry('nobody', (_, { who }) => `${who} at that moment.`),
  'out-of-session': entry('nobody', (_, { who }) => `${who} at that moment.`),
  'application-answered': entry(
    'nobody',
    (_, { who }) => `${who}; the application was asked and its answer carried out.`,
  ),
  'not-handled': entry('nobody', (_, { who }) => `${who}, and no application answered for it.`),
  'application-failed': entry('nobody', (_, { who }) => `${who}, and the OutOfSessionCallbackUrl failed to answer.`),
  'answer-unusable': entry(
    'nobody',
    (_, { who, code }) => `${who}, and what the OutOfSessionCallbackUrl answered cannot be used (${code}).`,
  ),
  'session-refused': entry(
    'nobody',
    (_, { who, code }) => `${who}, and what the application asked for was refused with ${code}.`,
  ),

  'outcome-unknown': entry(
    'unknown',
    (_, { until }) =>
      `The carrier did not say whether it took it; it is asked again at ${until} before anything is sent.`,
  ),
  'delivery-unknown': entry('unknown', 'The carrier sent it and cannot know whether it arrived.'),
  'never-reported': entry('unknown', 'The carrier took it and never reported whether it arrived.'),
  deleted: entry('unknown', 'The record was deleted; it is only known that something came.'),
  incomplete: entry(
    'unknown',
    'Nothing is due for it and nothing was sent, as when one of the two was erased meanwhile.',
  ),
} satisfies Record<string, { state: VerdictState; text: Sentence }>

export type VerdictCode = keyof typeof VERDICTS

export const VERDICT_CODES = Object.keys(VERDICTS) as VerdictCode[]

const spaced = (kind: string) => kind.replaceAll('_', ' ')
