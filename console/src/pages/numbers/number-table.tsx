import { useState } from 'react'
import type { PoolNumber } from '../../api/bodies.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { type Column, Table } from '../../kit/table.tsx'
import { Sid } from '../../kit/text.tsx'
import s from './numbers.module.css'
import { countryName, figure, STATES } from './pool.ts'

const STEP = 100

const columnsOf = (onOpen: (number: PoolNumber) => void): Column<PoolNumber>[] => [
  {
    title: 'Number',
    cell: (number) => (
      <button type="button" className={s.open} onClick={() => onOpen(number)}>
        {number.phone_number}
      </button>
    ),
  },
  { title: 'State', cell: ({ state }) => <Badge tone={STATES[state].tone}>{STATES[state].name}</Badge> },
  {
    title: 'Area',
    wide: true,
    cell: ({ iso_country, area_code }) => [countryName(iso_country), area_code].filter(Boolean).join(', '),
  },
  { title: 'Live sessions', align: 'end', cell: ({ live_sessions }) => figure(live_sessions) },
  { title: 'Cooling for', align: 'end', wide: true, cell: ({ cooling_people }) => figure(cooling_people) },
  { title: 'Sent, 24 h', align: 'end', wide: true, cell: ({ sent_24h }) => figure(sent_24h) },
  { title: 'Failed, 24 h', align: 'end', wide: true, cell: ({ failed_24h }) => figure(failed_24h) },
  { title: 'SID', wide: true, cell: ({ sid }) => <Sid sid={sid} /> },
]

/** As many rows as somebody asks for: thousands at once would take the browser longer than the map. */
export function NumberTable({ numbers, onOpen }: { numbers: PoolNumber[]; onOpen: (number: PoolNumber) => void }) {
  const [count, setCount] = useState(STEP)
  return (
    <>
      <Table label="Numbers of the pool" rows={numbers.slice(0, count)} columns={columnsOf(onOpen)} />
      {numbers.length > count && (
        <div className={s.do}>
          <Button onClick={() => setCount(count + STEP)}>
            Show {Math.min(STEP, numbers.length - count)} more of {figure(numbers.length - count)}
          </Button>
        </div>
      )}
    </>
  )
}
