import { type FormEvent, useState } from 'react'
import { useLocation } from 'wouter'
import type { ProxySession } from '../../api/bodies.ts'
import { post, remove } from '../../api/http.ts'
import { useMay } from '../../api/session.tsx'
import { useAction } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Confirm, Dialog } from '../../kit/dialog.tsx'
import { TextField } from '../../kit/field.tsx'
import kit from '../../kit/kit.module.css'
import { ErrorNote } from '../../kit/states.tsx'
import { TtlFields, ttlOf } from './new-session.tsx'

type Deed = 'extend' | 'close' | 're-open' | 'delete'
type Props = { session: ProxySession; path: string; onDone: () => unknown }

/** What can be done with a session as it stands. */
export function SessionDeeds(props: Props) {
  const [deed, setDeed] = useState<Deed>()
  if (!useMay('sessions:write')) return null
  const isClosed = props.session.status === 'closed'
  const close = () => setDeed(undefined)
  return (
    <>
      {!isClosed && <Button onClick={() => setDeed('extend')}>Change its end</Button>}
      {!isClosed && <Button onClick={() => setDeed('close')}>Close</Button>}
      {isClosed && <Button onClick={() => setDeed('re-open')}>Re-open</Button>}
      <Button onClick={() => setDeed('delete')}>Delete</Button>
      {deed === 'extend' && <Extend {...props} onClose={close} />}
      {(deed === 'close' || deed === 're-open') && <Move {...props} deed={deed} onClose={close} />}
      {deed === 'delete' && <Delete {...props} onClose={close} />}
    </>
  )
}

const MOVES = {
  close: {
    title: 'Close this session?',
    verb: 'Close session',
    status: 'closed',
    text: 'Nothing passes between its people any more, and what waits to be sent is not sent. A call that goes on is not cut off. Their proxy numbers become free. You can open it again as long as they are.',
  },
  're-open': {
    title: 'Re-open this session?',
    verb: 'Re-open session',
    status: 'in-progress',
    text: 'Its people reach each other again by the proxy numbers they had. If one of them uses that number in another session by now, it stays closed.',
  },
} as const

function Move({ path, deed, onDone, onClose }: Props & { deed: keyof typeof MOVES; onClose: () => void }) {
  const { title, verb, status, text } = MOVES[deed]
  const { busy, error, run } = useAction(async () => {
    await post(path, { Status: status })
    await onDone()
    onClose()
  })
  return (
    <Confirm title={title} verb={verb} busy={busy} error={error} onConfirm={run} onClose={onClose}>
      <p>{text}</p>
    </Confirm>
  )
}

function Delete({ session, path, onClose }: Props & { onClose: () => void }) {
  const [, navigate] = useLocation()
  const { busy, error, run } = useAction(async () => {
    await remove(path)
    navigate(`/sessions?service=${session.service_sid}`)
  })
  return (
    <Confirm title="Delete this session?" verb="Delete session" danger {...{ busy, error, onClose }} onConfirm={run}>
      <p>
        The session goes for good, with its people and the records of all that passed between them. Their proxy numbers
        become free, and so does its name. The carrier keeps records of its own.
      </p>
    </Confirm>
  )
}

/** A fixed end goes before the time that is counted from the last interaction, and cannot be taken back. */
function Extend({ session, path, onDone, onClose }: Props & { onClose: () => void }) {
  const { busy, error, run } = useAction(async (form: FormData) => {
    const fixed = String(form.get('DateExpiry') ?? '')
    const ttl = ttlOf(form)
    await post(path, {
      Ttl: ttl === session.ttl ? undefined : ttl,
      DateExpiry: fixed ? new Date(fixed).toISOString() : undefined,
    })
    await onDone()
    onClose()
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    run(new FormData(event.currentTarget))
  }
  const hint = session.date_expiry
    ? `Now ${new Date(session.date_expiry).toLocaleString()}. It can be moved, not taken back.`
    : 'Goes before the time above, and cannot be taken back.'
  return (
    <Dialog title="When this session ends" onClose={onClose}>
      <form className={kit.stack} onSubmit={submit}>
        <TtlFields seconds={session.ttl} />
        <TextField label="A fixed end (optional)" name="DateExpiry" type="datetime-local" hint={hint} />
        <ErrorNote error={error} />
        <footer className={kit.actions}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="main" busy={busy}>
            Save
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}
