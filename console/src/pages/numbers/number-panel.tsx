import { useState } from 'react'
import { useLocation } from 'wouter'
import type { Effect, PoolNumber, Service } from '../../api/bodies.ts'
import { post, remove } from '../../api/http.ts'
import { useMay } from '../../api/session.tsx'
import { useAction, useGet } from '../../api/use.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Confirm, Dialog } from '../../kit/dialog.tsx'
import { Facts } from '../../kit/page.tsx'
import { Shown } from '../../kit/states.tsx'
import { Sid, Time } from '../../kit/text.tsx'
import s from './numbers.module.css'
import { countryName, figure, many, STATES } from './pool.ts'

type Asked = { number: PoolNumber; service: Service; onChange: () => unknown; onClose: () => void }

const CAPABILITIES = { sms: 'texts', mms: 'pictures', voice: 'calls' } as const

/** One number: what it does, what would happen without it, and what can be done about it. */
export function NumberPanel({ number, service, onChange, onClose }: Asked) {
  const mayChange = useMay('numbers:write')
  const maySearch = useMay('sessions:read')
  const [, navigate] = useLocation()
  const collection = number.kind === 'SC' ? 'ShortCodes' : 'PhoneNumbers'
  const effect = useGet<Effect>(`/maskline/v1/Services/${service.sid}/${collection}/${number.sid}/Effect`)
  const { name, tone, text } = STATES[number.state]
  const find = () => navigate('/search', { state: { query: number.phone_number, at: Date.now() } })
  return (
    <Dialog side title={number.phone_number} onClose={onClose}>
      <div className={s.panel}>
        <p className={s.state}>
          <Badge tone={tone}>{name}</Badge> {text}
        </p>
        <Facts facts={factsOf(number, service)} />
        <section className={s.section}>
          <h3>If it is drained or removed</h3>
          <Shown of={effect}>{({ texts }) => <Sentences texts={texts} />}</Shown>
        </section>
        <div className={s.deeds}>
          {maySearch && (
            <Button icon="search" onClick={find}>
              Find its sessions
            </Button>
          )}
          {mayChange && (
            <Deeds
              number={number}
              path={`/v1/Services/${service.sid}/${collection}/${number.sid}`}
              effect={effect.data}
              onChange={() => {
                onChange()
                effect.reload()
              }}
              onRemoved={() => {
                onClose()
                onChange()
                // What the panel was opened from is gone by then.
                requestAnimationFrame(() => document.querySelector<HTMLElement>('main h1')?.focus())
              }}
            />
          )}
        </div>
      </div>
    </Dialog>
  )
}

const Sentences = ({ texts }: { texts: string[] }) => (
  <ul className={s.texts}>
    {texts.map((text) => (
      <li key={text}>{text}</li>
    ))}
  </ul>
)

function factsOf(number: PoolNumber, service: Service): [string, React.ReactNode][] {
  const able = Object.entries(CAPABILITIES).filter(([key]) => number.capabilities[key as keyof typeof CAPABILITIES])
  return [
    ['Live sessions', figure(number.live_sessions)],
    ['Cooling for', many(number.cooling_people, 'person', 'people')],
    ['Sent in 24 hours', figure(number.sent_24h)],
    ['Failed in 24 hours', figure(number.failed_24h)],
    ['Country', countryName(number.iso_country)],
    ['Area code', number.area_code ?? '—'],
    ['Takes', able.map(([, name]) => name).join(', ') || 'nothing'],
    ['Service', service.unique_name],
    ['In the pool since', <Time key="time" date={number.date_created} as="date" />],
    ['SID', <Sid key="sid" sid={number.sid} />],
  ]
}

type Deed = 'reserve' | 'release' | 'remove'
type Changing = {
  number: PoolNumber
  path: string
  effect: Effect | undefined
  onChange: () => void
  onRemoved: () => void
}

function Deeds({ number, path, effect, onChange, onRemoved }: Changing) {
  const [asked, setAsked] = useState<Deed>()
  const live = effect?.live_sessions ?? number.live_sessions
  const close = () => setAsked(undefined)
  return (
    <>
      {number.is_reserved ? (
        <Button onClick={() => setAsked('release')}>Give out again</Button>
      ) : (
        <Button onClick={() => setAsked('reserve')}>{live > 0 ? 'Drain' : 'Reserve'}</Button>
      )}
      <Button disabled={live > 0} onClick={() => setAsked('remove')}>
        Remove
      </Button>
      {live > 0 && <small>It can be removed when no session is live on it.</small>}
      {asked === 'remove' && (
        <RemoveConfirm number={number} path={path} effect={effect} onDone={onRemoved} onClose={close} />
      )}
      {asked && asked !== 'remove' && (
        <ReserveConfirm
          {...{ number, path, live, isReserved: asked === 'reserve' }}
          onDone={onChange}
          onClose={close}
        />
      )}
    </>
  )
}

function ReserveConfirm({
  number,
  path,
  live,
  isReserved,
  onDone,
  onClose,
}: {
  number: PoolNumber
  path: string
  live: number
  isReserved: boolean
  onDone: () => void
  onClose: () => void
}) {
  const { run, ...state } = useAction(() => post(path, { IsReserved: isReserved }))
  const confirm = async () => {
    if (!(await run())) return
    onClose()
    onDone()
  }
  const verb = !isReserved ? 'Give out again' : live > 0 ? 'Drain' : 'Reserve'
  return (
    <Confirm title={`${verb}: ${number.phone_number}`} verb={verb} {...state} onConfirm={confirm} onClose={onClose}>
      {isReserved ? (
        <p>
          New sessions will not be given it, unless they name it.{' '}
          {live > 0
            ? `${many(live, 'session is', 'sessions are')} still live on it and will go on until they end; then it can be removed.`
            : 'No session is live on it now.'}
        </p>
      ) : (
        <p>New sessions may be given it again from now on.</p>
      )}
    </Confirm>
  )
}

function RemoveConfirm({
  number,
  path,
  effect,
  onDone,
  onClose,
}: {
  number: PoolNumber
  path: string
  effect: Effect | undefined
  onDone: () => void
  onClose: () => void
}) {
  const { run, ...state } = useAction(() => remove(path))
  const confirm = async () => {
    if (await run()) onDone()
  }
  return (
    <Confirm
      title={`Remove ${number.phone_number} from the pool`}
      verb="Remove"
      danger
      {...state}
      onConfirm={confirm}
      onClose={onClose}
    >
      {effect ? <Sentences texts={effect.texts} /> : <p>What it would do is not known yet.</p>}
    </Confirm>
  )
}
