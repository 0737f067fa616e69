import { useEffect } from 'react'
import { Link } from 'wouter'
import type { Step, Trace, Verdict } from '../../api/bodies.ts'
import { useGet } from '../../api/use.ts'
import { Shown } from '../../kit/states.tsx'
import { lasting } from '../../kit/text.tsx'
import s from './live.module.css'
import { VERDICTS } from './verdicts.ts'

const ACTORS: Record<Step['actor'], string> = {
  sender: 'Sender',
  maskline: 'Maskline',
  application: 'Application',
  carrier: 'Carrier',
  recipient: 'Recipient',
}

const RESULTS: Record<Step['result'], { tone: string; word: string }> = {
  ok: { tone: 'good', word: 'Done' },
  info: { tone: 'dim', word: 'Told' },
  waiting: { tone: 'warn', word: 'Waiting' },
  stopped: { tone: 'warn', word: 'Stopped' },
  failed: { tone: 'bad', word: 'Failed' },
}

/** What was done with one message or call, step by step; read anew with each of its `changes`. */
export function TraceSteps({ sid, changes, verdict }: { sid: string; changes: number; verdict: Verdict }) {
  const trace = useGet<Trace>(`/maskline/v1/Interactions/${sid}/Trace`)
  const { reload } = trace
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change is a reason to read it anew
  useEffect(() => {
    reload()
  }, [changes, reload])
  return (
    <div className={s.trace}>
      <p className={s.verdict} data-tone={(VERDICTS[verdict.state] ?? VERDICTS.unknown).tone}>
        {verdict.text}
      </p>
      <Shown of={trace}>
        {({ steps }) => (
          <ol className={s.steps}>
            {steps.map((step, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: steps have no name, and are only added to
              <StepLine key={at} step={step} since={steps[0]?.at ?? step.at} />
            ))}
          </ol>
        )}
      </Shown>
      <Link href={`/traffic/${sid}`}>All about it</Link>
    </div>
  )
}

/** In milliseconds only where the times have them. */
function sinceThen(at: string, since: string): string {
  const ms = Math.max(0, Date.parse(at) - Date.parse(since))
  return at.includes('.') || ms >= 60_000 ? lasting(ms) : `${ms / 1_000} s`
}

function StepLine({ step, since }: { step: Step; since: string }) {
  const { tone, word } = RESULTS[step.result] ?? RESULTS.info
  const details = Object.entries(step.details).filter(([, value]) => value !== null && value !== '')
  const line = (
    <>
      <span className={s.actor}>{ACTORS[step.actor] ?? step.actor}</span> {step.text}
      {step.duration_ms !== null && <span className={s.took}> took {lasting(step.duration_ms)}</span>}
    </>
  )
  return (
    <li className={s.step} data-tone={tone}>
      <span className={s.dot}>
        <span className={s.unseen}>{word}</span>
      </span>
      <span className={s.at}>+{sinceThen(step.at, since)}</span>
      {details.length === 0 ? (
        <div>{line}</div>
      ) : (
        <details>
          <summary>{line}</summary>
          <dl>
            {details.map(([name, value]) => (
              <div key={name}>
                <dt>{name.replaceAll('_', ' ')}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </li>
  )
}
