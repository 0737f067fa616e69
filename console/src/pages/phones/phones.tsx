import { type ReactNode, useState } from 'react'
import { Link } from 'wouter'
import type { Service } from '../../api/bodies.ts'
import { useMay } from '../../api/session.tsx'
import { useGet } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Page } from '../../kit/page.tsx'
import { Empty, ErrorNote, Shown } from '../../kit/states.tsx'
import { AddPhone } from './add-phone.tsx'
import { Connect } from './connect.tsx'
import { Guide } from './guide.tsx'
import { Handsets } from './handsets.tsx'
import { Live } from './live.tsx'
import { MOST_PEOPLE } from './people.ts'
import s from './phones.module.css'
import { StartOver } from './start-over.tsx'
import { useBench } from './use-bench.ts'

/** Phones of people who are made up, on a network that is simulated, and what the server does with what they send. */
export function Phones() {
  const services = useGet<{ services: Service[] }>('/v1/Services?PageSize=100')
  const [chosen, choose] = useState<string>()
  const all = services.data?.services ?? []
  const service = all.find(({ sid }) => sid === chosen) ?? all.find((each) => each.unique_name === 'demo') ?? all[0]
  if (service)
    return <Bench key={service.sid} service_sid={service.sid} choice={<Choice {...{ all, service, choose }} />} />
  return (
    <Page title="Phones">
      <Shown of={services}>
        {() => (
          <Empty title="There is no service yet.">
            A service has the numbers that people text and call. Make one under <Link href="/services">Services</Link>,
            add two numbers to it, and come back.
          </Empty>
        )}
      </Shown>
    </Page>
  )
}

type ChoiceProps = { all: Service[]; service: Service; choose: (sid: string) => void }

const Choice = ({ all, service, choose }: ChoiceProps) =>
  all.length > 1 ? (
    <select aria-label="Service" value={service.sid} onChange={({ target }) => choose(target.value)}>
      {all.map(({ sid, unique_name }) => (
        <option key={sid} value={sid}>
          {unique_name}
        </option>
      ))}
    </select>
  ) : null

function Bench({ service_sid, choice }: { service_sid: string; choice: ReactNode }) {
  const bench = useBench(service_sid)
  const { people, lines, reload, steps, guide, since } = bench
  const [dialog, open] = useState<'add' | 'connect' | 'over'>()
  const [connection, connectAgain] = useState(0)
  const close = () => open(undefined)
  const mayCreate = useMay('sessions:write')
  const actions = (
    <>
      {choice}
      {mayCreate && <Button onClick={() => open('connect')}>New session</Button>}
      <Button icon="plus" disabled={people.length >= MOST_PEOPLE} onClick={() => open('add')}>
        Add a phone
      </Button>
      <Button onClick={() => open('over')}>Start over</Button>
    </>
  )
  return (
    <Page title="Phones" actions={actions}>
      <ErrorNote error={bench.error} retry={reload} />
      {guide.isShown && <Guide steps={steps} onDismiss={() => guide.show(false)} />}
      <div className={s.bench}>
        <Handsets bench={bench} />
        <Live
          key={connection}
          {...{ service_sid, people, lines, since }}
          hand={bench.hand}
          onThing={bench.onThing}
          onAgain={() => connectAgain(connection + 1)}
        />
      </div>
      {dialog === 'add' && <AddPhone people={people} onClose={close} />}
      {dialog === 'connect' && <Connect {...{ service_sid, people }} onDone={reload} onClose={close} />}
      {dialog === 'over' && <StartOver bench={bench} onClose={close} />}
    </Page>
  )
}
