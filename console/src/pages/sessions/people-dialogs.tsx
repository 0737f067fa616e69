import type { FormEvent } from 'react'
import { post, remove } from '../../api/http.ts'
import { useAction } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Confirm, Dialog } from '../../kit/dialog.tsx'
import { Field } from '../../kit/field.tsx'
import kit from '../../kit/kit.module.css'
import { ErrorNote } from '../../kit/states.tsx'
import { IdentifierFields, personOf } from './new-session.tsx'

type Asked = { path: string; onClose: () => void }

export function AddPerson({
  path,
  service_sid,
  onDone,
  onClose,
}: Asked & { service_sid: string; onDone: () => unknown }) {
  const { busy, error, run } = useAction(async (form: FormData) => {
    await post(`${path}/Participants`, personOf(form))
    await onDone()
    onClose()
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    run(new FormData(event.currentTarget))
  }
  return (
    <Dialog title="Add a participant" onClose={onClose}>
      <form className={kit.stack} onSubmit={submit}>
        <IdentifierFields service_sid={service_sid} required />
        <ErrorNote error={error} />
        <footer className={kit.actions}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="main" busy={busy}>
            Add
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}

export function RemovePerson({ path, name, onDone, onClose }: Asked & { name: string; onDone: () => unknown }) {
  const { busy, error, run } = useAction(async () => {
    await remove(path)
    await onDone()
    onClose()
  })
  return (
    <Confirm title={`Remove ${name}?`} verb="Remove" danger {...{ busy, error, onClose }} onConfirm={run}>
      <p>
        Nothing reaches them in this session any more, and their proxy number becomes free. The same person cannot be
        added to it again; somebody else can.
      </p>
    </Confirm>
  )
}

const MAX_BODY = 1600

export function SendMessage({ path, name, onClose }: Asked & { name: string }) {
  const { busy, error, run } = useAction(async (form: FormData) => {
    await post(`${path}/MessageInteractions`, { Body: String(form.get('Body')) })
    onClose()
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    run(new FormData(event.currentTarget))
  }
  return (
    <Dialog title={`Message to ${name}`} onClose={onClose}>
      <form className={kit.stack} onSubmit={submit}>
        <Field label="Text" hint="It comes from their proxy number. Their partner does not see it.">
          {(ties) => <textarea name="Body" rows={4} maxLength={MAX_BODY} required {...ties} />}
        </Field>
        <ErrorNote error={error} />
        <footer className={kit.actions}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="main" icon="send" busy={busy}>
            Send
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}
