import type { FormEvent, ReactNode } from 'react'
import type { ApiError } from '../api/http.ts'
import { errorBeside } from '../api/parameter.ts'
import { useAction } from '../api/use.ts'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'
import s from './kit.module.css'
import { ErrorNote } from './states.tsx'

/**
 * A form in a dialog. `act` is given what was filled in, and takes the dialog away when it worked; a refusal that names one of
 * the `fields` is left for `children` to show there.
 */
export function FormDialog({
  title,
  verb,
  fields,
  act,
  onClose,
  children,
}: {
  title: string
  verb: string
  fields: readonly string[]
  act: (form: FormData) => Promise<unknown>
  onClose: () => void
  children: (error: ApiError | undefined) => ReactNode
}) {
  const { busy, error, run } = useAction(act)
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    run(new FormData(event.currentTarget))
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form className={s.stack} onSubmit={submit}>
        {children(error)}
        <ErrorNote error={errorBeside(error, fields)} />
        <footer className={`${s.actions} ${s.foot}`}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="main" busy={busy}>
            {verb}
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}

/** What was typed into a field of a form. */
export const textIn = (form: FormData, name: string): string => String(form.get(name) ?? '').trim()
