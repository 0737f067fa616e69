import { useEffect, useState } from 'react'
import { Icon } from './icon.tsx'
import s from './kit.module.css'

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'narrow' })

const STEPS: [limit_s: number, unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  [60, 'second', 1],
  [3_600, 'minute', 60],
  [86_400, 'hour', 3_600],
  [Number.POSITIVE_INFINITY, 'day', 86_400],
]

/** How long ago or ahead, as in "3 min. ago". */
export function ago(date: string, now = Date.now()): string {
  const seconds = Math.round((Date.parse(date) - now) / 1000)
  const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit) ?? STEPS[3]!
  return relative.format(Math.trunc(seconds / size), unit)
}

/** A time as people say it; the whole date is in its title. Keeps itself right. */
export function Time({ date, as = 'ago' }: { date: string | null | undefined; as?: 'ago' | 'clock' | 'date' }) {
  if (!date) return <span className={s.dim}>—</span>
  const whole = moment.format(new Date(date))
  return (
    <time dateTime={date} title={whole}>
      {as === 'ago' ? <Ago date={date} /> : as === 'clock' ? clock.format(new Date(date)) : whole}
    </time>
  )
}

function Ago({ date }: { date: string }) {
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 15_000)
    return () => clearInterval(timer)
  }, [])
  return ago(date)
}

/** A length of time in milliseconds, as in "340 ms" or "2.4 s". */
export function lasting(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  const parts = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3_600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ]
  const named = parts.map((count, at) => (count ? `${count} ${['d', 'h', 'min', 's'][at]}` : '')).filter(Boolean)
  return named.slice(0, 2).join(' ')
}

/** An identifier as a name for what has none. */
export const shortSid = (sid: string) => `${sid.slice(0, 6)}…${sid.slice(-4)}`

/** An identifier, shortened in the middle, that a click copies whole. */
export function Sid({ sid, whole = false }: { sid: string; whole?: boolean }) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(sid)
    setCopied(true)
    setTimeout(() => setCopied(false), 1_500)
  }
  const shown = whole || sid.length < 14 ? sid : shortSid(sid)
  return (
    <button type="button" className={s.sid} onClick={copy} title={`Copy ${sid}`} aria-label={`${shown}, copy ${sid}`}>
      <code>{shown}</code>
      <Icon name={copied ? 'check' : 'copy'} />
    </button>
  )
}
