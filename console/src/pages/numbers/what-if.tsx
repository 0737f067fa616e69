import { useEffect, useMemo, useState } from 'react'
import type { Capacity, CapacityUnder } from '../../api/bodies.ts'
import { Chart, type Line } from '../../kit/chart.tsx'
import { Field, SelectField } from '../../kit/field.tsx'
import { lasting, Time } from '../../kit/text.tsx'
import s from './numbers.module.css'
import { figure, many, type Rule } from './pool.ts'

const HOUR = 3_600
const DAY = 86_400
const TTLS = [
  0,
  900,
  1_800,
  HOUR,
  2 * HOUR,
  4 * HOUR,
  8 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  3 * DAY,
  7 * DAY,
  14 * DAY,
  30 * DAY,
]
const COOL_DOWNS = [0, HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 5 * DAY, 7 * DAY, 14 * DAY, 30 * DAY]
const WAIT_MS = 350

const ttlName = (seconds: number) => (seconds === 0 ? 'no end of itself' : lasting(seconds * 1_000))
const coolDownName = (seconds: number) => (seconds === 0 ? 'none' : lasting(seconds * 1_000))

type Asked = { capacity: Capacity; rule: Rule; isBusy: boolean; onChange: (rule: Rule) => void }

/** The last days once more, as they would have been under another time to live and cool-down. */
export function WhatIf({ capacity, rule, isBusy, onChange }: Asked) {
  const { now, what_if } = capacity
  const [ttl, setTtl] = useState(now.default_ttl)
  const [coolDown, setCoolDown] = useState(now.cool_down_s)
  // Whoever drags is asked nothing until they stop.
  useEffect(() => {
    const isSame = ttl === (rule.DefaultTtl ?? now.default_ttl) && coolDown === (rule.CoolDown ?? now.cool_down_s)
    if (isSame) return
    const timer = setTimeout(() => onChange({ ...rule, DefaultTtl: ttl, CoolDown: coolDown }), WAIT_MS)
    return () => clearTimeout(timer)
  }, [ttl, coolDown, rule, now, onChange])
  return (
    <div className={s.whatIf}>
      <div className={s.sliders}>
        <Slider
          label="Sessions end after"
          stops={withStop(TTLS, now.default_ttl)}
          value={ttl}
          name={ttlName}
          onChange={setTtl}
        />
        <Slider
          label="Cool-down"
          stops={withStop(COOL_DOWNS, now.cool_down_s)}
          value={coolDown}
          name={coolDownName}
          onChange={setCoolDown}
        />
        <SelectField
          label="Looking back"
          value={rule.Days}
          onChange={(event) => onChange({ ...rule, Days: Number(event.target.value) })}
        >
          {[1, 3, 7, 14, 30].map((days) => (
            <option key={days} value={days}>
              {many(days, 'day')}
            </option>
          ))}
        </SelectField>
      </div>
      <div className={s.beside} aria-busy={isBusy || undefined}>
        <Side title="As it is" under={now} />
        <Side title="What if" under={what_if} than={now} />
      </div>
      {capacity.sampled && (
        <p className={s.note}>
          So much happened that not all of it is counted, only what began <Time date={capacity.date_whole} /> or later.
        </p>
      )}
      <History capacity={capacity} days={rule.Days} />
    </div>
  )
}

const withStop = (stops: number[], own: number) => [...new Set([...stops, own])].toSorted((a, b) => a - b)

function Slider({
  label,
  stops,
  value,
  name,
  onChange,
}: {
  label: string
  stops: number[]
  value: number
  name: (value: number) => string
  onChange: (value: number) => void
}) {
  return (
    <Field label={label}>
      {(ties) => (
        <span className={s.slider}>
          <input
            type="range"
            min={0}
            max={stops.length - 1}
            step={1}
            value={stops.indexOf(value)}
            aria-valuetext={name(value)}
            onChange={(event) => onChange(stops[Number(event.target.value)] ?? value)}
            {...ties}
          />
          <span aria-hidden="true">{name(value)}</span>
        </span>
      )}
    </Field>
  )
}

function Side({ title, under, than }: { title: string; under: CapacityUnder; than?: CapacityUnder }) {
  const change = than ? under.sessions_left - than.sessions_left : 0
  return (
    <section className={s.side} aria-label={title}>
      <h3>{title}</h3>
      <p className={s.sideFigure}>
        <strong>{figure(under.sessions_left)}</strong> sessions left
        {change !== 0 && (
          <span data-change={change > 0 ? 'more' : 'fewer'}>
            {figure(Math.abs(change))} {change > 0 ? 'more' : 'fewer'}
          </span>
        )}
      </p>
      <dl>
        <dt>Sessions end after</dt>
        <dd>{ttlName(under.default_ttl)}</dd>
        <dt>Cool-down</dt>
        <dd>{coolDownName(under.cool_down_s)}</dd>
        <dt>Held by the busiest person</dt>
        <dd>{figure(under.busiest_held)}</dd>
        {under.peak_held > 0 && (
          <>
            <dt>At most</dt>
            <dd>
              {figure(under.peak_held)}, <Time date={under.date_peak} />
            </dd>
          </>
        )}
      </dl>
    </section>
  )
}

function History({ capacity: { now, what_if }, days }: { capacity: Capacity; days: number }) {
  const times = useMemo(() => now.history.map(({ at }) => Date.parse(at) / 1_000), [now])
  const isSame = now.default_ttl === what_if.default_ttl && now.cool_down_s === what_if.cool_down_s
  const lines = useMemo<Line[]>(() => {
    const line = (name: string, { history }: CapacityUnder) => ({ name, values: history.map(({ held }) => held) })
    const asItIs: Line = { ...line('As it is', now), colour: 'accent' }
    return isSame ? [asItIs] : [asItIs, { ...line('What if', what_if), colour: 'warn', dashed: true }]
  }, [now, what_if, isSame])
  const [before, after] = [now.peak_held, what_if.peak_held]
  const period = `over the last ${many(days, 'day')}`
  const other = before === after ? 'as many' : figure(after)
  const summary =
    Math.max(before, after) === 0
      ? `Nobody held a number ${period}.`
      : `Numbers held by the busiest person ${period}: at most ${figure(before)}${isSame ? '.' : ` as it was, and ${other} under the other rule.`}`
  if (times.length === 0) return <p className={s.note}>{summary}</p>
  return <Chart times={times} lines={lines} summary={summary} />
}
