import { type FormEvent, useEffect, useRef, useState } from 'react'
import type { Service } from '../../api/bodies.ts'
import { ApiError, post } from '../../api/http.ts'
import { Button } from '../../kit/button.tsx'
import { Dialog } from '../../kit/dialog.tsx'
import { CheckField, Field } from '../../kit/field.tsx'
import s from './numbers.module.css'
import { many } from './pool.ts'

type Line = { text: string; error?: string }

/** Adds numbers by their digits or SIDs, one after another. Those that are refused stay, each with its reason. */
export function AddNumbers({
  service,
  onAdded,
  onClose,
}: {
  service: Service
  onAdded: () => unknown
  onClose: () => void
}) {
  const [text, setText] = useState('')
  const { progress, refused, run } = useAdding(service, onAdded)
  const isBusy = progress !== undefined && progress.done < progress.all
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const lines = linesOf(text)
    if (isBusy || lines.length === 0) return
    const isReserved = new FormData(event.currentTarget).has('IsReserved')
    const left = await run(lines, isReserved)
    setText(left.join('\n'))
  }
  const added = progress ? progress.done - refused.length : 0
  return (
    <Dialog title={`Add numbers to ${service.unique_name}`} onClose={onClose}>
      <form className={s.adding} onSubmit={add}>
        <Field label="Numbers" hint="A line for each: +12025550180, or its SID (PN… or SC…). At most 500 not reserved.">
          {(ties) => (
            <textarea
              rows={6}
              required
              spellCheck={false}
              value={text}
              onChange={(event) => setText(event.target.value)}
              {...ties}
            />
          )}
        </Field>
        <CheckField
          label="Reserve them"
          name="IsReserved"
          hint="Sessions get a reserved number only where they name it."
        />
        {progress && (
          <div className={s.progress}>
            <progress aria-label="Numbers that were tried" value={progress.done} max={progress.all} />
            <p role="status">
              {isBusy
                ? `${progress.done} of ${progress.all} …`
                : `${many(added, 'number')} added${refused.length > 0 ? `, ${refused.length} refused. Mend them above and add them again.` : '.'}`}
            </p>
          </div>
        )}
        {refused.length > 0 && <Refused lines={refused} />}
        <footer className={s.ends}>
          <Button onClick={onClose}>{added > 0 || isBusy ? 'Close' : 'Cancel'}</Button>
          <Button type="submit" look="main" busy={isBusy}>
            Add
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}

const Refused = ({ lines }: { lines: Line[] }) => (
  <ul className={s.refused} aria-label="Refused">
    {lines.map(({ text, error }) => (
      <li key={text}>
        <code>{text}</code> {error}
      </li>
    ))}
  </ul>
)

const linesOf = (text: string) => [
  ...new Set(
    text
      .split(/[\n,;]/)
      .map((line) => line.trim())
      .filter(Boolean),
  ),
]

/** One at a time, since adding is serialised per service anyway. Ends where the dialog is closed. */
function useAdding(service: Service, onAdded: () => unknown) {
  const [progress, setProgress] = useState<{ done: number; all: number }>()
  const [refused, setRefused] = useState<Line[]>([])
  const isOpen = useRef(true)
  useEffect(() => {
    isOpen.current = true
    return () => {
      isOpen.current = false
    }
  }, [])

  /** Gives the lines that were refused. */
  const run = async (lines: string[], isReserved: boolean): Promise<string[]> => {
    const left: Line[] = []
    setRefused([])
    for (const [done, text] of lines.entries()) {
      if (!isOpen.current) break
      setProgress({ done, all: lines.length })
      const error = await addOne(service, text, isReserved)
      if (error) {
        left.push({ text, error })
        setRefused([...left])
      }
    }
    setProgress({ done: lines.length, all: lines.length })
    if (left.length < lines.length) onAdded()
    return left.map(({ text }) => text)
  }
  return { progress, refused, run }
}

/** Gives why it was refused; undefined where it was added. */
async function addOne(service: Service, text: string, isReserved: boolean): Promise<string | undefined> {
  const [, kind] = /^(PN|SC)[0-9a-f]{32}$/i.exec(text) ?? []
  const path = `/v1/Services/${service.sid}/${kind?.toUpperCase() === 'SC' ? 'ShortCodes' : 'PhoneNumbers'}`
  try {
    await post(path, { [kind ? 'Sid' : 'PhoneNumber']: text, IsReserved: isReserved })
    return undefined
  } catch (error) {
    if (error instanceof ApiError) return error.message
    throw error
  }
}
