import type { PoolNumber } from '../../api/bodies.ts'

export type State = PoolNumber['state']

export const STATES: Record<State, { name: string; tone: 'good' | 'bad' | 'warn' | 'info' | 'dim'; text: string }> = {
  free: { name: 'Free', tone: 'dim', text: 'No session is live on it.' },
  used: { name: 'In use', tone: 'good', text: 'Sessions are live on it.' },
  reserved: { name: 'Reserved', tone: 'info', text: 'New sessions get it only by its name.' },
  draining: { name: 'Draining', tone: 'warn', text: 'Reserved, while sessions are still live on it.' },
  failing: { name: 'Failing', tone: 'bad', text: 'More sends from it failed in 24 hours than went out.' },
}

export type Group = { key: string; country: string; area: string; numbers: PoolNumber[] }

const countries = new Intl.DisplayNames('en', { type: 'region' })

export const countryName = (code: string | null) => (code ? (countries.of(code) ?? code) : 'No country')

/** By country and area code, each in the order of the digits; those of no country last. */
function groupPool(numbers: readonly PoolNumber[]): Group[] {
  const groups = new Map<string, Group>()
  for (const number of numbers) {
    const country = number.iso_country ?? ''
    const area = number.area_code ?? ''
    const key = `${country}/${area}`
    const group = groups.get(key) ?? { key, country, area, numbers: [] }
    if (group.numbers.length === 0) groups.set(key, group)
    group.numbers.push(number)
  }
  for (const group of groups.values()) group.numbers.sort((a, b) => (a.phone_number < b.phone_number ? -1 : 1))
  return [...groups.values()].sort((a, b) => Number(!a.country) - Number(!b.country) || (a.key < b.key ? -1 : 1))
}

/** A pool as the page needs it, and when the browser had it. */
export type PoolRead = { numbers: PoolNumber[]; groups: Group[]; levels: number[]; began: number }

export const readPool = (numbers: PoolNumber[]): PoolRead => ({
  began: performance.now(),
  numbers,
  groups: groupPool(numbers),
  levels: levelsOf(numbers),
})

export type PoolFilter = { text: string; state: string; group: string }

export function fits({ text, state, group }: PoolFilter): (number: PoolNumber) => boolean {
  const wanted = text.replace(/[\s().-]/g, '').toLowerCase()
  return (number) =>
    (!wanted || number.phone_number.includes(wanted) || number.sid.toLowerCase() === wanted) &&
    (!state || (state === 'cooling' ? number.cooling_people > 0 : number.state === state)) &&
    (!group || group === `${number.iso_country ?? ''}/${number.area_code ?? ''}`)
}

const LEVELS = 5

/** Up to how many live sessions each level of colour goes: few levels where there is little, then ever longer ones. */
function levelsOf(numbers: readonly PoolNumber[]): number[] {
  const most = numbers.reduce((most, { live_sessions }) => Math.max(most, live_sessions), 0)
  if (most <= LEVELS) return Array.from({ length: most }, (_, at) => at + 1)
  return Array.from({ length: LEVELS }, (_, at) => Math.max(at + 1, Math.round((most + 1) ** ((at + 1) / LEVELS) - 1)))
}

/** 0 where none is live, else from 1 to 5. */
export const levelOf = (levels: readonly number[], live_sessions: number): number =>
  live_sessions === 0 ? 0 : 1 + levels.findIndex((upTo) => live_sessions <= upTo)

/** One number in a sentence, for who hears the map instead of seeing it. */
export const factsOf = ({ phone_number, state, live_sessions, cooling_people, sent_24h, failed_24h }: PoolNumber) =>
  [
    `${phone_number}, ${STATES[state].name}`,
    many(live_sessions, 'live session'),
    cooling_people > 0 && `cooling for ${cooling_people}`,
    sent_24h + failed_24h > 0 && `${sent_24h} sent and ${failed_24h} failed in 24 hours`,
  ]
    .filter(Boolean)
    .join(', ')

const figures = new Intl.NumberFormat()
export const figure = (count: number) => figures.format(count)
export const many = (count: number, noun: string, plural = `${noun}s`) =>
  `${figure(count)} ${count === 1 ? noun : plural}`

/** What the what-if asks: another ttl or cool-down, over so many days. */
export type Rule = { DefaultTtl?: number; CoolDown?: number; Days: number }
