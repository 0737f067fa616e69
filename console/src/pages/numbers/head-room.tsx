import { useEffect, useState } from 'react'
import type { Capacity, CapacityUnder, Service } from '../../api/bodies.ts'
import { withQuery } from '../../api/http.ts'
import { type Loaded, useGet } from '../../api/use.ts'
import { Card } from '../../kit/page.tsx'
import { Shown } from '../../kit/states.tsx'
import s from './numbers.module.css'
import { countryName, figure, many, type Rule } from './pool.ts'
import { WhatIf } from './what-if.tsx'

const AS_IT_IS: Rule = { Days: 7 }

export const capacityPath = ({ sid }: Service, rule: Rule = AS_IT_IS) =>
  withQuery(`/maskline/v1/Services/${sid}/Capacity`, rule)

/** How far the pool lasts: now, and under another time to live and cool-down. */
export function HeadRoom({ service }: { service: Service }) {
  const [rule, setRule] = useState(AS_IT_IS)
  const read = useGet<Capacity>(capacityPath(service, rule))
  const capacity = useLast(read)
  return (
    <>
      <div id="head-room" className={s.anchor}>
        <Card title="Head room">
          <Shown of={capacity}>{({ now }) => <Room under={now} />}</Shown>
        </Card>
      </div>
      <Card title="What if">
        <Shown of={capacity}>
          {(found) => <WhatIf capacity={found} rule={rule} isBusy={!read.data && !read.error} onChange={setRule} />}
        </Shown>
      </Card>
    </>
  )
}

/** What was read last stays while something else is being read, so that nothing jumps. */
function useLast<Body>(read: Loaded<Body>): Loaded<Body> {
  const [last, setLast] = useState(read.data)
  useEffect(() => {
    if (read.data) setLast(read.data)
  }, [read.data])
  return read.error ? read : { ...read, data: read.data ?? last }
}

const MOST = 12

function Room({ under }: { under: CapacityUnder }) {
  const [isAll, setAll] = useState(false)
  const groups = under.groups.toSorted((a, b) => a.sessions_left - b.sessions_left || b.numbers - a.numbers)
  const usable = under.groups.reduce((sum, { numbers, reserved }) => sum + numbers - reserved, 0)
  return (
    <>
      <div className={s.room}>
        <p className={s.large} data-low={isLow(under.sessions_left, usable) || undefined}>
          <strong>{figure(under.sessions_left)}</strong> more {under.sessions_left === 1 ? 'session' : 'sessions'} for
          the busiest person
        </p>
        <p className={s.note}>
          A number serves any number of people, but each of them once. Whoever is busiest holds{' '}
          {figure(under.busiest_held)} of {many(usable, 'number')} that are given out, live or cooling, so they are the
          first to be refused.
        </p>
      </div>
      <ul className={s.keys} aria-label="What the bars show">
        <li>
          <i data-held /> held by the busiest person
        </li>
        <li>
          <i data-left="enough" /> left for them
        </li>
        <li>
          <i data-reserved /> reserved
        </li>
      </ul>
      <ul className={s.bars} aria-label="Head room by country and area code">
        {groups.slice(0, isAll ? undefined : MOST).map((group) => (
          <Bar key={`${group.iso_country}/${group.area_code}`} group={group} />
        ))}
      </ul>
      {groups.length > MOST && (
        <button type="button" className={s.open} onClick={() => setAll(!isAll)}>
          {isAll ? 'Show only the tightest' : `Show all ${figure(groups.length)} areas`}
        </button>
      )}
    </>
  )
}

const isLow = (left: number, usable: number) => left <= Math.max(1, usable * 0.1)

function Bar({ group }: { group: CapacityUnder['groups'][number] }) {
  const { iso_country, area_code, numbers, reserved, busiest_held, sessions_left } = group
  const usable = numbers - reserved
  const share = (count: number) => ({ width: `${numbers === 0 ? 0 : (100 * count) / numbers}%` })
  const low = isLow(sessions_left, usable)
  return (
    <li>
      <span className={s.area}>
        {[countryName(iso_country), area_code].filter(Boolean).join(' ')}
        <small>{many(numbers, 'number')}</small>
      </span>
      <span className={s.bar} aria-hidden="true">
        <i data-held style={share(busiest_held)} />
        <i data-left={low ? 'low' : 'enough'} style={share(Math.max(0, sessions_left))} />
        <i data-reserved style={share(reserved)} />
      </span>
      <span className={s.left} data-low={low || undefined}>
        {figure(sessions_left)} left
        <small>
          {figure(busiest_held)} held{reserved > 0 && `, ${figure(reserved)} reserved`}
        </small>
      </span>
    </li>
  )
}
