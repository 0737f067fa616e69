import { type ReactNode, useState } from 'react'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'
import { Field } from './field.tsx'
import kit from './kit.module.css'
import s from './shown-once.module.css'

/** Something to be taken elsewhere, with a button that copies it. Where the browser has no clipboard, it is selected instead. */
export function CopyField({ label, value }: { label: string; value: string }) {
  const [copied, setCopied] = useState(false)
  const copy = async (field: HTMLInputElement | null) => {
    field?.select()
    await navigator.clipboard?.writeText(value)
    setCopied(true)
    setTimeout(() => setCopied(false), 1_500)
  }
  return (
    <Field label={label}>
      {(ties) => (
        <div className={s.line}>
          <input {...ties} readOnly value={value} onFocus={(event) => event.target.select()} />
          <Button
            icon={copied ? 'check' : 'copy'}
            onClick={(event) => copy(event.currentTarget.parentElement?.querySelector('input') ?? null)}
          >
            <span aria-live="polite">{copied ? 'Copied' : 'Copy'}</span>
          </Button>
        </div>
      )}
    </Field>
  )
}

/** A secret that the server keeps only as a digest, or not at all: this is the one time it is seen. */
export const ShownOnce = ({
  title,
  values,
  onClose,
  children,
}: {
  title: string
  values: [label: string, value: string][]
  onClose: () => void
  children: ReactNode
}) => (
  <Dialog title={title} onClose={onClose}>
    <div className={kit.stack}>
      <p className={s.warning}>{children}</p>
      {values.map(([label, value]) => (
        <CopyField key={label} label={label} value={value} />
      ))}
      <footer className={kit.actions}>
        <Button look="main" onClick={onClose}>
          Done
        </Button>
      </footer>
    </div>
  </Dialog>
)
