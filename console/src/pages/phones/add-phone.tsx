import { type FormEvent, useState } from 'react'
import { Button } from '../../kit/button.tsx'
import { Dialog } from '../../kit/dialog.tsx'
import { SelectField, TextField } from '../../kit/field.tsx'
import g from './guide.module.css'
import { addPerson, KINDS, nextName, numberOf, type Person } from './people.ts'

/** One more phone: of whom, and what it does by itself. */
export function AddPhone({ people, onClose }: { people: Person[]; onClose: () => void }) {
  const [name, setName] = useState(nextName(people))
  const [number, setNumber] = useState(numberOf(0, people) ?? '')
  const compact = number.replace(/[\s().-]/g, '')
  const isTaken = people.some((person) => person.number === compact)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (isTaken) return
    addPerson({ name: name.trim(), number: compact })
    onClose()
  }
  return (
    <Dialog title="Add a phone" onClose={onClose}>
      <form className={g.form} onSubmit={submit}>
        <TextField
          label="Name"
          value={name}
          maxLength={20}
          required
          onChange={(event) => setName(event.target.value)}
        />
        <SelectField
          label="What it does by itself"
          hint="It follows from the last four digits of the number."
          onChange={({ target }) => setNumber(numberOf(Number(target.value), people) ?? '')}
        >
          {KINDS.map((kind, at) => (
            <option key={kind.name} value={at}>
              {kind.name}
            </option>
          ))}
        </SelectField>
        <TextField
          label="Number"
          type="tel"
          value={number}
          required
          pattern="\+[1-9][\d\s\(\)\.\-]{6,20}"
          title="A + and the whole number, as in +12025550130"
          error={isTaken ? 'A phone on this page has this number.' : undefined}
          hint="Made up. Nobody is called for real."
          onChange={(event) => setNumber(event.target.value)}
        />
        <footer>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="main">
            Add it
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}
