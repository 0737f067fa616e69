import { type ReactNode, useEffect } from 'react'
import { Link } from 'wouter'
import type { Attempt, Callback, CallbackRequest } from '../../api/bodies.ts'
import { post } from '../../api/http.ts'
import { useMay } from '../../api/session.tsx'
import { useAction, useGet, useList } from '../../api/use.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Dialog } from '../../kit/dialog.tsx'
import { Facts } from '../../kit/page.tsx'
import { Empty, ErrorNote, Loading, Shown } from '../../kit/states.tsx'
import { lasting, Sid, Time } from '../../kit/text.tsx'
import { CallbackBadge } from '../../kit/verdict.tsx'
import s from './callbacks.module.css'

/** One callback: what it said to whom, what came of each attempt, and saying it again. `told` is what the stream said of it. */
export function CallbackPanel({ sid, told, onClose }: { sid: string; told: unknown; onClose: () => void }) {
  const mayReplay = useMay('callbacks:replay')
  const path = `/maskline/v1/Callbacks/${sid}`
  const callback = useGet<Callback>(path)
  const attempts = useList<Attempt>(`${path}/Attempts?PageSize=100`)
  const { run, busy, error } = useAction(async () => {
    await post(`${path}/Replay`)
    await callback.reload()
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is read anew whenever the stream tells of it
  useEffect(() => {
    if (!told) return
    callback.reload()
    attempts.reload()
  }, [told])
  return (
    <Dialog side title="Callback" onClose={onClose}>
      <div className={s.panel}>
        <Shown of={callback}>
          {(found) => (
            <>
              <p className={s.url}>{found.callback_url}</p>
              <Facts facts={factsOf(found)} />
              {mayReplay && (
                <div className={s.deeds}>
                  <Button busy={busy} onClick={run}>
                    Replay
                  </Button>
                  <small>Tells it again with the same token; all its tries begin anew.</small>
                </div>
              )}
              <ErrorNote error={error} />
            </>
          )}
        </Shown>
        <Request path={`${path}/Request`} />
        <section className={s.section}>
          <h3>Attempts</h3>
          <Attempts list={attempts} />
        </section>
      </div>
    </Dialog>
  )
}

function factsOf(callback: Callback): [string, ReactNode][] {
  const { status, waits_for_endpoint, attempts, service_sid, interaction_sid, ...dates } = callback
  const facts: [string, ReactNode][] = [
    ['Status', <CallbackBadge key="status" status={status} />],
    ['Waits', waits_for_endpoint ? 'until its endpoint answers again' : null],
    ['Tries since the last replay', attempts],
    ['Made', <Time key="made" date={dates.date_created} as="date" />],
    ['Next try', dates.date_next_attempt && <Time key="next" date={dates.date_next_attempt} />],
    ['Delivered', dates.date_delivered && <Time key="delivered" date={dates.date_delivered} as="date" />],
    ['Replayed', dates.date_replayed && <Time key="replayed" date={dates.date_replayed} as="date" />],
    ['Inbound leg', dates.inbound_resource_status],
    ['Outbound leg', dates.outbound_resource_status],
    [
      'Interaction',
      <Link
        key="interaction"
        href={`/traffic/${interaction_sid}`}
      >{`${interaction_sid.slice(0, 6)}…${interaction_sid.slice(-4)}`}</Link>,
    ],
    ['Service', <Sid key="service" sid={service_sid} />],
    ['SID', <Sid key="sid" sid={callback.sid} />],
  ]
  return facts.filter(([, value]) => value !== null)
}

function Request({ path }: { path: string }) {
  const request = useGet<CallbackRequest>(path)
  return (
    <section className={s.section}>
      <h3>Request</h3>
      {request.error?.status === 404 ? (
        <p className={s.dim}>What it told of has been deleted, so what it said is not known any more.</p>
      ) : (
        <Shown of={request}>
          {({ method, url, parameters }) => (
            <>
              <p className={s.request}>
                <strong>{method}</strong> {url}
              </p>
              <dl className={s.parameters}>
                {parameters.map(({ name, value }) => (
                  <div key={name}>
                    <dt>{name}</dt>
                    <dd>{value || <span className={s.dim}>empty</span>}</dd>
                  </div>
                ))}
              </dl>
            </>
          )}
        </Shown>
      )}
    </section>
  )
}

function Attempts({ list }: { list: ReturnType<typeof useList<Attempt>> }) {
  if (!list.rows) return list.error ? <ErrorNote error={list.error} retry={list.reload} /> : <Loading />
  if (list.rows.length === 0) return <Empty title="It has not been tried yet." />
  return (
    <>
      <ol className={s.attempts}>
        {list.rows.toReversed().map((attempt) => (
          <AttemptItem key={attempt.sid} attempt={attempt} />
        ))}
      </ol>
      {list.more && <Button onClick={() => list.more?.()}>Show more</Button>}
    </>
  )
}

function AttemptItem({ attempt }: { attempt: Attempt }) {
  const { status_code, error, duration_ms, tries, response, response_type, date_created } = attempt
  const isHeard = status_code !== null && status_code < 300
  return (
    <li>
      <p className={s.attempt}>
        <Badge tone={isHeard ? 'good' : 'bad'}>{status_code ?? 'No answer'}</Badge>
        <Time date={date_created} as="date" />
        <span className={s.dim}>
          {lasting(duration_ms)}
          {tries > 1 && `, ${tries} requests`}
        </span>
      </p>
      {error && <p className={s.reason}>{error}</p>}
      {response && (
        <details>
          <summary>Answer{response_type && `, ${response_type}`}</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard */}
          <pre tabIndex={0}>{response}</pre>
        </details>
      )}
    </li>
  )
}
