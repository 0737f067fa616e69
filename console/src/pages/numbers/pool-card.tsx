import { type ReactNode, useDeferredValue, useId, useMemo, useState } from 'react'
import type { Capacity, PoolBody, PoolNumber, Service } from '../../api/bodies.ts'
import { useGet } from '../../api/use.ts'
import { SelectField, TextField } from '../../kit/field.tsx'
import { Filters } from '../../kit/filters.tsx'
import { Card } from '../../kit/page.tsx'
import { Empty } from '../../kit/states.tsx'
import { Time } from '../../kit/text.tsx'
import { capacityPath } from './head-room.tsx'
import { HeatMap } from './heat-map.tsx'
import { Legend } from './legend.tsx'
import { NumberTable } from './number-table.tsx'
import s from './numbers.module.css'
import { countryName, figure, fits, type Group, many, type PoolFilter, readPool, STATES, type State } from './pool.ts'

const VIEWS = ['Map', 'Table'] as const

/** The whole pool, as a map or as a table, both with the same filter. */
export function Pool({
  body,
  service,
  onOpen,
}: {
  body: PoolBody
  service: Service
  onOpen: (number: PoolNumber) => void
}) {
  const { numbers } = body
  const pool = useMemo(() => readPool(numbers), [numbers])
  const [view, setView] = useState<(typeof VIEWS)[number]>('Map')
  const [filter, setFilter] = useState<PoolFilter>({ text: '', state: '', group: '' })
  const applied = useDeferredValue(filter)
  const shown = useMemo(() => numbers.filter(fits(applied)), [numbers, applied])
  return (
    <Card title="Pool" actions={<ViewChoice view={view} onChange={setView} />}>
      <Counts numbers={numbers} left={<SessionsLeft service={service} />} />
      <FilterBar groups={pool.groups} filter={filter} onChange={setFilter} />
      <p className={s.count} role="status">
        {shown.length === numbers.length
          ? many(numbers.length, 'number')
          : `${figure(shown.length)} of ${many(numbers.length, 'number')}`}
        , read <Time date={body.date_read} />
        {body.sampled && '. So much happened that sends and cooling are counted from a part of it.'}
      </p>
      {shown.length === 0 && <Empty title="No number fits.">Look for fewer digits, or for any state.</Empty>}
      {view === 'Map' && (
        <>
          <Legend levels={pool.levels} />
          <HeatMap pool={pool} filter={applied} onOpen={onOpen} />
        </>
      )}
      {view === 'Table' && shown.length > 0 && <NumberTable numbers={shown} onOpen={onOpen} />}
    </Card>
  )
}

function ViewChoice({ view, onChange }: { view: string; onChange: (view: (typeof VIEWS)[number]) => void }) {
  const name = useId()
  return (
    <fieldset className={s.views}>
      <legend className={s.unseen}>Show the pool as</legend>
      {VIEWS.map((each) => (
        <label key={each}>
          <input type="radio" name={name} checked={view === each} onChange={() => onChange(each)} />
          {each}
        </label>
      ))}
    </fieldset>
  )
}

function Counts({ numbers, left }: { numbers: PoolNumber[]; left: ReactNode }) {
  const counts = useMemo(() => {
    const found: Record<State, number> = { free: 0, used: 0, reserved: 0, draining: 0, failing: 0 }
    for (const { state } of numbers) found[state]++
    return found
  }, [numbers])
  return (
    <dl className={s.counts}>
      {Object.entries(STATES).map(([state, { name, text, tone }]) => (
        <div key={state} title={text} data-tone={counts[state as State] > 0 ? tone : undefined}>
          <dt>{name}</dt>
          <dd>{figure(counts[state as State])}</dd>
        </div>
      ))}
      {left}
    </dl>
  )
}

/** The figure that says when to add numbers; below it stands where it comes from. */
function SessionsLeft({ service }: { service: Service }) {
  const { data } = useGet<Capacity>(capacityPath(service))
  return (
    <div title="So many more sessions can whoever is busiest be given a number for.">
      <dt>Sessions left</dt>
      <dd>{data ? <a href="#head-room">{figure(data.now.sessions_left)}</a> : '…'}</dd>
    </div>
  )
}

type Filtering = { groups: Group[]; filter: PoolFilter; onChange: (filter: PoolFilter) => void }

function FilterBar({ groups, filter, onChange }: Filtering) {
  const set = (part: Partial<PoolFilter>) => onChange({ ...filter, ...part })
  return (
    <Filters label="Which numbers">
      <TextField
        label="Digits or SID"
        type="search"
        value={filter.text}
        placeholder="+1202"
        onChange={(event) => set({ text: event.target.value })}
      />
      <SelectField label="State" value={filter.state} onChange={(event) => set({ state: event.target.value })}>
        <option value="">Any</option>
        {Object.entries(STATES).map(([state, { name }]) => (
          <option key={state} value={state}>
            {name}
          </option>
        ))}
        <option value="cooling">Cooling for somebody</option>
      </SelectField>
      <SelectField label="Area" value={filter.group} onChange={(event) => set({ group: event.target.value })}>
        <option value="">Everywhere</option>
        {groups.map(({ key, country, area }) => (
          <option key={key} value={key}>
            {countryName(country)}
            {area && `, ${area}`}
          </option>
        ))}
      </SelectField>
    </Filters>
  )
}
