import type { Step, Trace } from '../../api/bodies.ts'
import { Badge } from '../../kit/button.tsx'
import { Icon, type IconName } from '../../kit/icon.tsx'
import { lasting, Time } from '../../kit/text.tsx'
import { Candidates } from './candidates.tsx'
import { StepDetails } from './step-details.tsx'
import s from './why.module.css'

const ICONS: Record<Step['actor'], IconName> = {
  sender: 'phone',
  maskline: 'sessions',
  application: 'callbacks',
  carrier: 'traffic',
  recipient: 'phone',
}
const ACTORS: Record<Step['actor'], string> = {
  sender: 'Sender',
  maskline: 'Maskline',
  application: 'Your application',
  carrier: 'Carrier',
  recipient: 'Recipient',
}
const RESULTS = {
  ok: { tone: 'good', word: '' },
  info: { tone: 'dim', word: '' },
  waiting: { tone: 'info', word: 'to come' },
  failed: { tone: 'bad', word: 'failed' },
  stopped: { tone: 'warn', word: 'stopped' },
} as const

/** All that happened, one step after the other, with the time since the first. */
export function Chain({ trace }: { trace: Trace }) {
  const steps = folded(trace.steps)
  const first = Date.parse(steps[0]?.at ?? '')
  const longest = Math.max(...steps.map(({ duration_ms }) => duration_ms ?? 0), 1)
  return (
    <section className={s.section} aria-labelledby="chain">
      <h2 id="chain">What happened</h2>
      <ol className={s.chain}>
        {steps.map((step, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps have no name of their own
          <li key={at} data-result={step.result}>
            <Since step={step} since={at === 0 ? undefined : first} />
            <span className={s.dot}>
              <Icon name={ICONS[step.actor]} />
            </span>
            <div className={s.step}>
              <p>
                <span className={s.actor}>{ACTORS[step.actor]}</span>
                {RESULTS[step.result].word && (
                  <Badge tone={RESULTS[step.result].tone}>{RESULTS[step.result].word}</Badge>
                )}
              </p>
              <p>
                {step.text}
                {step.times > 1 && <Badge>{step.times} times</Badge>}
              </p>
              {step.duration_ms !== null && <Lasted ms={step.duration_ms} longest_ms={longest} />}
              {step.kind === 'looked-up' && <Candidates candidates={trace.candidates} of={trace.interaction} />}
              {step.kind !== 'looked-up' && <StepDetails step={step} of={trace.interaction} />}
            </div>
          </li>
        ))}
      </ol>
    </section>
  )
}

type Folded = Step & { times: number }

/** What callbacks were told stands below with all attempts, and what was said several times in a row is said once. */
function folded(steps: Step[]): Folded[] {
  const all: Folded[] = []
  for (const step of steps.filter(({ details }) => !details.callback_sid)) {
    const last = all.at(-1)
    if (last && last.kind === step.kind && last.text === step.text && step.kind === 'event') last.times++
    else all.push({ ...step, times: 1 })
  }
  return all
}

function Since({ step, since }: { step: Step; since: number | undefined }) {
  if (step.result === 'waiting' && Date.parse(step.at) > Date.now()) {
    return (
      <span className={s.since}>
        <Time date={step.at} />
      </span>
    )
  }
  return (
    <time className={s.since} dateTime={step.at} title={new Date(step.at).toLocaleString()}>
      {since === undefined ? new Date(step.at).toLocaleTimeString() : laterBy(Date.parse(step.at) - since)}
    </time>
  )
}

const laterBy = (ms: number) => (ms === 0 ? 'at once' : `+ ${lasting(ms)}`)

/** How long something took, beside the longest. */
export const Lasted = ({ ms, longest_ms, tone }: { ms: number; longest_ms: number; tone?: 'bad' | undefined }) => (
  <span className={s.lasted} data-tone={tone}>
    <i style={{ inlineSize: `${Math.max(1.5, (ms / longest_ms) * 100)}%` }} />
    <span>{lasting(ms)}</span>
  </span>
)
