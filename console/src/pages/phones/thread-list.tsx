import { type FormEvent, useId } from 'react'
import { Button } from '../../kit/button.tsx'
import { Icon } from '../../kit/icon.tsx'
import { Time } from '../../kit/text.tsx'
import s from './handset.module.css'
import { spaced } from './people.ts'
import { previewOf, type Thread } from './threads.ts'

/** The numbers a phone has to do with, and a field for any other. */
export function ThreadList({ threads, onOpen }: { threads: Thread[]; onOpen: (number: string) => void }) {
  const id = useId()
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const number = String(new FormData(event.currentTarget).get('number')).replace(/[\s().-]/g, '')
    if (number) onOpen(number)
  }
  return (
    <>
      <h3 className={s.bar}>Messages</h3>
      <ul className={s.threads}>
        {threads.map((thread) => (
          <li key={thread.number}>
            <button type="button" onClick={() => onOpen(thread.number)}>
              <strong>{spaced(thread.number)}</strong>
              {thread.entries.length > 0 && (
                <small>
                  <Time date={thread.entries.at(-1)?.date} />
                </small>
              )}
              <span>{previewOf(thread.entries.at(-1))}</span>
              <Icon name="right" />
            </button>
          </li>
        ))}
        {threads.length === 0 && (
          <li className={s.nothing}>
            No numbers yet. In a session this phone gets one for the other person; any other can be typed below.
          </li>
        )}
      </ul>
      <form className={s.other} onSubmit={submit}>
        <label htmlFor={id}>Another number</label>
        <input
          id={id}
          name="number"
          type="tel"
          required
          pattern="\+?[\d\s\(\)\.\-]{3,22}"
          placeholder="+1 202 555 0180"
        />
        <Button type="submit">Open</Button>
      </form>
    </>
  )
}
