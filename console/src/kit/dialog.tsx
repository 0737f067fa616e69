import { type ReactNode, useId, useLayoutEffect, useRef, useState } from 'react'
import type { ApiError } from '../api/http.ts'
import { Button } from './button.tsx'
import { TextField } from './field.tsx'
import s from './kit.module.css'
import { ErrorNote } from './states.tsx'

/**
 * Stands while it is rendered. The browser keeps the focus within, gives it back afterwards, and closes it with Escape. `side`
 * puts it along the edge of the window, for what is looked at beside a list.
 */
export function Dialog({
  title,
  side = false,
  onClose,
  children,
}: {
  title: string
  side?: boolean
  onClose: () => void
  children: ReactNode
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useLayoutEffect(() => {
    const shown = dialog.current
    shown?.showModal()
    // The browser gives the focus back only where a dialog is closed, not where it is taken away.
    return () => shown?.close()
  }, [])
  return (
    <dialog
      ref={dialog}
      className={side ? `${s.dialog} ${s.side}` : s.dialog}
      aria-labelledby={heading}
      // React tells a dialog of the closing of those within it, too.
      onClose={({ target, currentTarget }) => target === currentTarget && !currentTarget.open && onClose()}
    >
      <header>
        <h2 id={heading}>{title}</h2>
        <Button look="quiet" icon="close" aria-label="Close" onClick={() => dialog.current?.close()} />
      </header>
      {children}
    </dialog>
  )
}

/**
 * Asks before something that cannot be undone, or that changes much: says what will be so afterwards. Where `typed` is
 * given, it has to be typed first.
 */
export function Confirm({
  title,
  verb,
  danger = false,
  typed,
  busy,
  error,
  onConfirm,
  onClose,
  children,
}: {
  title: string
  verb: string
  danger?: boolean
  typed?: string
  busy?: boolean
  error?: ApiError | undefined
  onConfirm: () => void
  onClose: () => void
  children: ReactNode
}) {
  const [given, setGiven] = useState('')
  return (
    <Dialog title={title} onClose={onClose}>
      <div className={s.stack}>
        {children}
        {typed !== undefined && (
          <TextField
            label={`Type ${typed} to go on`}
            value={given}
            spellCheck={false}
            onChange={(event) => setGiven(event.target.value)}
          />
        )}
        <ErrorNote error={error} />
        <footer className={s.actions}>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            look={danger ? 'danger' : 'main'}
            busy={busy ?? false}
            disabled={typed !== undefined && given !== typed}
            onClick={onConfirm}
          >
            {verb}
          </Button>
        </footer>
      </div>
    </Dialog>
  )
}
