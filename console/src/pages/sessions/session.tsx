import { useEffect } from 'react'
import { Link, useParams } from 'wouter'
import type { Participant, ProxySession } from '../../api/bodies.ts'
import { useFeed } from '../../api/feed.ts'
import { useRememberedService, useServices } from '../../api/service.ts'
import { type Loaded, useGet } from '../../api/use.ts'
import { Card, Facts, Page } from '../../kit/page.tsx'
import { Shown } from '../../kit/states.tsx'
import { Sid, Time } from '../../kit/text.tsx'
import { StatusBadge } from '../../kit/verdict.tsx'
import { NotFound } from '../not-found.tsx'
import { SessionDeeds } from './deeds.tsx'
import { People } from './people.tsx'
import { CLOSED_BY, expiryOf, MODES } from './session-words.ts'
import { Timeline } from './timeline.tsx'
import { useTimeline } from './timeline-entries.ts'

export function SessionPage() {
  const { ServiceSid = '', SessionSid = '' } = useParams<{ ServiceSid: string; SessionSid: string }>()
  if (!/^KS\w{32}$/.test(ServiceSid) || !/^KC\w{32}$/.test(SessionSid)) return <NotFound />
  return <OneSession key={SessionSid} service_sid={ServiceSid} sid={SessionSid} />
}

function OneSession({ service_sid, sid }: { service_sid: string; sid: string }) {
  const path = `/v1/Services/${service_sid}/Sessions/${sid}`
  const session = useGet<ProxySession>(path)
  const { data } = session
  useRememberedService(data?.service_sid)
  return (
    <Page
      title={data?.unique_name ?? 'Session'}
      actions={data && <SessionDeeds session={data} path={path} onDone={session.reload} />}
    >
      <Shown of={session}>
        {(body) => (
          <>
            <SessionFacts session={body} />
            <Inside path={path} session={body} reload={session.reload} />
          </>
        )}
      </Shown>
    </Page>
  )
}

function SessionFacts({ session }: { session: ProxySession }) {
  const service = useServices().rows?.find(({ sid }) => sid === session.service_sid)
  return (
    <Card>
      <Facts
        facts={[
          ['Status', <StatusBadge key="" status={session.status} />],
          ['Takes', MODES[session.mode] ?? session.mode],
          ['Last interaction', <Time key="" date={session.date_last_interaction} />],
          [session.status === 'closed' ? 'Ended' : 'Ends', <End key="" session={session} />],
          ['Created', <Time key="" date={session.date_created} />],
          [
            'Service',
            <Link key="" href={`/services/${session.service_sid}`}>
              {service?.unique_name ?? 'Service'}
            </Link>,
          ],
          ['SID', <Sid key="" sid={session.sid} />],
        ]}
      />
    </Card>
  )
}

function End({ session }: { session: ProxySession }) {
  const { status, closed_reason, date_ended } = session
  if (status === 'closed') {
    return (
      <>
        <Time date={date_ended} />
        {closed_reason && `, ${CLOSED_BY[closed_reason] ?? closed_reason}`}
      </>
    )
  }
  const expiry = expiryOf(session)
  return expiry ? <Time date={expiry} /> : 'when it is closed'
}

type Inside = { path: string; session: ProxySession; reload: Loaded<ProxySession>['reload'] }

/** Who is in it and what went between them, live. */
function Inside({ path, session, reload }: Inside) {
  const people = useGet<{ participants: Participant[] }>(`${path}/Participants`)
  const { told, state } = useFeed({ ServiceSid: session.service_sid, SessionSid: session.sid }, () => {
    reload()
    people.reload()
    timeline.reload()
  })
  const timeline = useTimeline(session, told)
  const changed = told.session.get(session.sid) as ProxySession | undefined
  useEffect(() => {
    if (changed) reload(changed, { revalidate: false })
  }, [changed, reload])
  const { reload: reloadPeople } = people
  useEffect(() => {
    if (told.participant.size > 0) reloadPeople()
  }, [told.participant, reloadPeople])
  return (
    <Shown of={people}>
      {({ participants }) => (
        <>
          <People path={path} session={session} participants={participants} onChanged={reloadPeople} />
          <Timeline session={session} path={path} people={participants} timeline={timeline} state={state} />
        </>
      )}
    </Shown>
  )
}
