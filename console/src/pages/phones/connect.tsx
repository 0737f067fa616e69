import type { FormEvent } from 'react'
import { useAction } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Dialog } from '../../kit/dialog.tsx'
import { SelectField } from '../../kit/field.tsx'
import { ErrorNote } from '../../kit/states.tsx'
import g from './guide.module.css'
import { createLine } from './lines.ts'
import { type Person, spaced } from './people.ts'

type Props = { service_sid: string; people: Person[]; onDone: () => Promise<unknown>; onClose: () => void }

/** One more session, between any two of the phones. */
export function Connect({ service_sid, people, onDone, onClose }: Props) {
  const { busy, error, run } = useAction(async (numbers: string[]) => {
    await createLine(
      service_sid,
      people.filter(({ number }) => numbers.includes(number)),
    )
    await onDone()
  })
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    if (await run([String(form.get('one')), String(form.get('other'))])) onClose()
  }
  return (
    <Dialog title="New session" onClose={onClose}>
      <form className={g.form} onSubmit={submit}>
        {(['one', 'other'] as const).map((name, at) => (
          <SelectField
            key={name}
            label={at === 0 ? 'One person' : 'The other'}
            name={name}
            defaultValue={people.at(at - 2 + at)?.number}
          >
            {people.map((person) => (
              <option key={person.number} value={person.number}>
                {person.name}, {spaced(person.number)}
              </option>
            ))}
          </SelectField>
        ))}
        <p className={g.note}>
          Each is given a number of the service for the other. They may have more sessions, each with numbers of its
          own.
        </p>
        <ErrorNote error={error} />
        <footer>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="main" busy={busy}>
            Create it
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}
