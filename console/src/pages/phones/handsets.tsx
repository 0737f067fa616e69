import { isRinging, useAnnouncement, useUnseen } from './announce.ts'
import { Handset, type HandsetHandle } from './handset.tsx'
import { proxiesOf } from './lines.ts'
import { removePerson } from './people.ts'
import s from './phones.module.css'
import { NO_PHONE } from './simulator.ts'
import type { Bench } from './use-bench.ts'

/** The phones side by side, or one at a time where there is no room for two. */
export function Handsets({ bench }: { bench: Bench }) {
  const { people, phones, lines, look, handles, current } = bench
  const announcement = useAnnouncement(people, phones)
  const keep = (number: string) => (handle: HandsetHandle | null) => {
    if (handle) handles.current.set(number, handle)
    else handles.current.delete(number)
  }
  return (
    <div className={s.handsets}>
      <Switcher bench={bench} />
      <p className={s.unseen} role="status">
        {announcement}
      </p>
      <div className={s.row}>
        {people.map((person) => (
          <Handset
            key={person.number}
            person={person}
            phone={phones[person.number] ?? NO_PHONE}
            known={proxiesOf(lines, person.number)}
            isCurrent={person.number === current}
            look={look}
            onRemove={people.length > 2 ? () => removePerson(person.number) : undefined}
            ref={keep(person.number)}
          />
        ))}
      </div>
    </div>
  )
}

function Switcher({ bench: { people, phones, current, show } }: { bench: Bench }) {
  const unseen = useUnseen(people, phones, current)
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would be one of a form
    <div className={s.switcher} role="group" aria-label="Whose phone is shown">
      {people.map(({ name, number }) => {
        const news = isRinging(phones[number]) ? 'rings' : number === current ? 0 : unseen[number]
        return (
          <button key={number} type="button" aria-pressed={number === current} onClick={() => show(number)}>
            {name}
            {news ? <span>{news}</span> : null}
          </button>
        )
      })}
    </div>
  )
}
