import { type ComponentProps, type ReactNode, useId } from 'react'
import s from './kit.module.css'

type Labelled = { label: string; hint?: ReactNode; error?: string | undefined }

/** A labelled field of any kind; `children` is given the attributes that tie it to label, hint and error. */
export function Field({
  label,
  hint,
  error,
  children,
}: Labelled & {
  children: (ties: {
    id: string
    'aria-describedby': string | undefined
    'aria-invalid': true | undefined
  }) => ReactNode
}) {
  const id = useId()
  const note = hint || error ? `${id}-note` : undefined
  return (
    <div className={s.field}>
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': note, 'aria-invalid': error ? true : undefined })}
      {note && (
        <small id={note} className={error ? s.wrong : s.dim}>
          {error ?? hint}
        </small>
      )}
    </div>
  )
}

export const TextField = ({ label, hint, error, ...rest }: Labelled & ComponentProps<'input'>) => (
  <Field label={label} hint={hint} error={error}>
    {(ties) => <input type="text" autoComplete="off" {...rest} {...ties} />}
  </Field>
)

export const SelectField = ({ label, hint, error, children, ...rest }: Labelled & ComponentProps<'select'>) => (
  <Field label={label} hint={hint} error={error}>
    {(ties) => (
      <select {...rest} {...ties}>
        {children}
      </select>
    )}
  </Field>
)

export const CheckField = ({ label, hint, ...rest }: Labelled & ComponentProps<'input'>) => {
  const id = useId()
  return (
    <div className={s.check}>
      <input type="checkbox" {...rest} id={id} aria-describedby={hint ? `${id}-note` : undefined} />
      <label htmlFor={id}>{label}</label>
      {hint && (
        <small id={`${id}-note`} className={s.dim}>
          {hint}
        </small>
      )}
    </div>
  )
}
