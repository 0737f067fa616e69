import { Link } from 'wouter'
import type { Attempt, Trace } from '../../api/bodies.ts'
import { Badge } from '../../kit/button.tsx'
import { Time } from '../../kit/text.tsx'
import { CallbackBadge } from '../../kit/verdict.tsx'
import { Lasted } from './chain.tsx'
import s from './why.module.css'

/** What the customer's application was told of it, with every attempt. */
export function CallbackCards({ callbacks }: Pick<Trace, 'callbacks'>) {
  if (callbacks.length === 0) return null
  const all = callbacks.flatMap(({ attempts_made }) => attempts_made)
  const longest = Math.max(...all.map(({ duration_ms }) => duration_ms), 1)
  return (
    <section className={s.section} aria-labelledby="callbacks">
      <h2 id="callbacks">Callbacks</h2>
      {callbacks.map(({ sid, status, callback_url, outbound_resource_status, date_next_attempt, attempts_made }) => (
        <article key={sid} className={s.callback}>
          <header>
            <Link href={`/callbacks?callback=${sid}`}>
              {outbound_resource_status ? `About “${outbound_resource_status}”` : 'About it'}
            </Link>
            <CallbackBadge status={status} />
            {date_next_attempt && (
              <span>
                next attempt <Time date={date_next_attempt} />
              </span>
            )}
            <code>{callback_url}</code>
          </header>
          {attempts_made.length > 0 && (
            <ol className={s.attempts}>
              {attempts_made.map((attempt) => (
                <OneAttempt key={attempt.sid} of={attempt} longest_ms={longest} />
              ))}
            </ol>
          )}
        </article>
      ))}
    </section>
  )
}

function OneAttempt({ of, longest_ms }: { of: Attempt; longest_ms: number }) {
  const isGood = of.status_code !== null && of.status_code >= 200 && of.status_code <= 299
  return (
    <li>
      <Time date={of.date_created} as="clock" />
      <Badge tone={isGood ? 'good' : 'bad'}>{of.status_code ?? 'no answer'}</Badge>
      <Lasted ms={of.duration_ms} longest_ms={longest_ms} tone={isGood ? undefined : 'bad'} />
      {of.error && <span className={s.reason}>{of.error}</span>}
    </li>
  )
}
