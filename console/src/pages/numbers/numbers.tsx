import { useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import type { PoolBody, Service } from '../../api/bodies.ts'
import { rememberedService, useRememberedService, useServices } from '../../api/service.ts'
import { useMay } from '../../api/session.tsx'
import { useEvery, useGet } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Page } from '../../kit/page.tsx'
import { Empty, ErrorNote, Loading, Shown } from '../../kit/states.tsx'
import { ServiceField } from '../service-field.tsx'
import { AddNumbers } from './add-numbers.tsx'
import { HeadRoom } from './head-room.tsx'
import { NumberPanel } from './number-panel.tsx'
import s from './numbers.module.css'
import { Pool } from './pool-card.tsx'

/** The pool of a service: what its numbers do, and how far they last. Service and number stand in the address. */
export function Numbers() {
  const services = useServices()
  const [params, setParams] = useSearchParams()
  const named = params.get('service') ?? rememberedService()
  const service = services.rows?.find(({ sid }) => sid === named) ?? services.rows?.[0]
  useRememberedService(service?.sid)
  if (!services.rows) {
    return (
      <Page title="Numbers">
        {services.error ? <ErrorNote error={services.error} retry={services.reload} /> : <Loading />}
      </Page>
    )
  }
  if (!service) {
    return (
      <Page title="Numbers">
        <Empty title="There is no service yet, so there is no pool.">
          <Link href="/services">Make a service</Link>, then add numbers to it here.
        </Empty>
      </Page>
    )
  }
  const choose = (next: { service: string; number?: string }) => setParams(next, { replace: !next.number })
  return (
    <ServicePool
      key={service.sid}
      service={service}
      services={services}
      number={params.get('number')}
      onService={(sid) => choose({ service: sid })}
      onNumber={(sid) => choose({ service: service.sid, ...(sid && { number: sid }) })}
    />
  )
}

type Chosen = {
  service: Service
  services: ReturnType<typeof useServices>
  number: string | null
  onService: (sid: string) => void
  onNumber: (sid: string | undefined) => void
}

const READ_AGAIN_MS = 20_000

function ServicePool({ service, services, number, onService, onNumber }: Chosen) {
  const mayChange = useMay('numbers:write')
  const [isAdding, setAdding] = useState(false)
  const pool = useGet<PoolBody>(`/maskline/v1/Services/${service.sid}/Pool`)
  const { reload } = pool
  useEvery(READ_AGAIN_MS, reload)
  const open = pool.data?.numbers.find(({ sid }) => sid === number)
  const add = (look: 'main' | 'plain') => (
    <Button look={look} icon="plus" onClick={() => setAdding(true)}>
      Add numbers
    </Button>
  )
  return (
    <Page
      title="Numbers"
      actions={
        <>
          <div className={s.service}>
            <ServiceField services={services} value={service.sid} onChange={onService} />
          </div>
          {mayChange && add('main')}
        </>
      }
    >
      <Shown of={pool}>
        {(body) =>
          body.numbers.length === 0 ? (
            <Empty title={`The pool of ${service.unique_name} is empty.`}>
              <p>It takes numbers before people can be put together through it.</p>
              {mayChange && <p className={s.do}>{add('plain')}</p>}
            </Empty>
          ) : (
            <>
              <Pool body={body} service={service} onOpen={({ sid }) => onNumber(sid)} />
              <HeadRoom service={service} />
            </>
          )
        }
      </Shown>
      {open && <NumberPanel number={open} service={service} onChange={reload} onClose={() => onNumber(undefined)} />}
      {isAdding && <AddNumbers service={service} onAdded={reload} onClose={() => setAdding(false)} />}
    </Page>
  )
}
