import type { FormEvent } from 'react'
import { post } from '../api/http.ts'
import { useAction } from '../api/use.ts'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'
import { TextField } from './field.tsx'
import s from './kit.module.css'
import { ErrorNote } from './states.tsx'

/** Asks for what is hidden, one thing at a time, and says that this goes on record. Gives the answer to `onShown`. */
export function Reveal<Body>({
  path,
  what,
  onShown,
  onClose,
}: {
  /** Of the thing; its `Reveal` is asked for. */
  path: string
  what: string
  onShown: (body: Body) => void
  onClose: () => void
}) {
  const { busy, error, run } = useAction(async (reason: string) => {
    onShown(await post<Body>(`${path}/Reveal`, reason ? { Reason: reason } : {}))
    onClose()
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    run(String(new FormData(event.currentTarget).get('Reason')).trim())
  }
  return (
    <Dialog title={`Show ${what}?`} onClose={onClose}>
      <form className={s.stack} onSubmit={submit}>
        <p>The audit log keeps that you looked at it, and when. You see it until you leave this page.</p>
        <TextField
          label="Reason (optional)"
          name="Reason"
          maxLength={255}
          hint="As in “Ticket 4711”. It goes on record, too, so nobody's number or name."
        />
        <ErrorNote error={error} />
        <footer className={s.actions}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="main" icon="eye" busy={busy}>
            Show it
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}
