import { useState } from 'react'
import { Link, useLocation, useParams } from 'wouter'
import type { Service } from '../../api/bodies.ts'
import { remove } from '../../api/http.ts'
import { useMay } from '../../api/session.tsx'
import type { ServiceSettings } from '../../api/set-up-bodies.ts'
import { useAction, useGet } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Confirm } from '../../kit/dialog.tsx'
import { Facts, Page } from '../../kit/page.tsx'
import { ErrorNote, Loading } from '../../kit/states.tsx'
import { Sid, Time } from '../../kit/text.tsx'
import { BlockedNumbers } from './blocked-numbers.tsx'
import s from './services.module.css'
import { GROUPS } from './settings.ts'
import { SettingsForm } from './settings-form.tsx'

/** All that can be set of one service. */
export function ServicePage() {
  const { ServiceSid = '' } = useParams<{ ServiceSid: string }>()
  const service = useGet<Service>(`/v1/Services/${ServiceSid}`)
  const settings = useGet<ServiceSettings>(`/maskline/v1/Services/${ServiceSid}/Settings`)
  const reload = () => Promise.all([service.reload(), settings.reload()])
  const may = useMay('services:write')
  if (!service.data || !settings.data) {
    const error = service.error ?? settings.error
    return (
      <Page title="Service" actions={<Link href="/services">All services</Link>}>
        {error ? <ErrorNote error={error} retry={reload} /> : <Loading />}
      </Page>
    )
  }
  const values = { service: service.data, settings: settings.data }
  return (
    <Page title={service.data.unique_name} actions={<Link href="/services">All services</Link>}>
      <Facts
        facts={[
          ['Service SID', <Sid key="sid" sid={ServiceSid} />],
          ['Created', <Time key="created" date={service.data.date_created} />],
          ['Changed', <Time key="changed" date={service.data.date_updated} />],
        ]}
      />
      {!may && <p className={s.dim}>You see what is set. An admin can change it.</p>}
      <div>
        {GROUPS.map((group) => (
          <SettingsForm key={group.title} group={group} values={values} reload={reload} />
        ))}
        <BlockedNumbers serviceSid={ServiceSid} />
        {may && <DeleteService service={service.data} />}
      </div>
    </Page>
  )
}

function DeleteService({ service: { sid, unique_name } }: { service: Service }) {
  const [isAsking, setAsking] = useState(false)
  const [, navigate] = useLocation()
  const { busy, error, run } = useAction(remove)
  const confirm = async () => {
    if (await run(`/v1/Services/${sid}`)) navigate('/services')
  }
  return (
    <section className={s.group} aria-label="Delete">
      <div className={s.about}>
        <h2>Delete</h2>
        <p>The service, with all that is in it.</p>
      </div>
      <div>
        <Button look="danger" onClick={() => setAsking(true)}>
          Delete this service
        </Button>
      </div>
      {isAsking && (
        <Confirm
          title={`Delete ${unique_name}?`}
          verb="Delete for good"
          danger
          typed={unique_name}
          busy={busy}
          error={error}
          onConfirm={confirm}
          onClose={() => setAsking(false)}
        >
          <p>
            Its sessions end at once and are deleted with their participants, messages, calls and recordings. Its
            numbers go back to the account. None of this can be undone.
          </p>
        </Confirm>
      )}
    </section>
  )
}
