import { useSyncExternalStore } from 'react'

/** Somebody made up, whose phone is on the page. */
export type Person = { name: string; number: string }

const NAMES = ['Alice', 'Bob', 'Carol', 'Dan', 'Erin', 'Frank', 'Grace', 'Heidi']
/** Beyond it the page would ask the server for more than anybody can watch. */
export const MOST_PEOPLE = NAMES.length

// Kept while the console is open, and nowhere else: a number may be somebody's.
let people: Person[] = [
  { name: 'Alice', number: '+12025550101' },
  { name: 'Bob', number: '+12025550102' },
]
const listeners = new Set<() => void>()

function change(next: Person[]): void {
  people = next
  for (const listener of listeners) listener()
}

export const usePeople = (): Person[] =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => people,
  )

export const addPerson = (person: Person): void => change([...people, person])
export const removePerson = (number: string): void => change(people.filter((person) => person.number !== number))

export const nextName = (taken: Person[]): string =>
  NAMES.find((name) => taken.every((person) => person.name !== name)) ?? 'Somebody'

/** What a phone does by itself follows from the end of its number. */
export const KINDS = [
  { name: 'Ordinary', ends: ['0130', '0131', '0132', '0133', '0134', '0135', '0136', '0137'] },
  { name: 'Out of reach: texts are not delivered', ends: ['0103'] },
  { name: 'Unknown number: texts are not delivered', ends: ['0105'] },
  { name: 'Slow: texts arrive after 30 s', ends: ['0114'] },
  { name: 'Answers calls at once', ends: ['0126'] },
  { name: 'Answering machine', ends: ['0124'] },
  { name: 'Busy when called', ends: ['0121'] },
  { name: 'Rejects calls', ends: ['0123'] },
]

/** A fictitious number of this kind that no phone on the page has. */
export const numberOf = (kind: number, taken: Person[]): string | undefined =>
  ['202', '415', '212']
    .flatMap((area) => (KINDS[kind]?.ends ?? []).map((end) => `+1${area}555${end}`))
    .find((number) => taken.every((person) => person.number !== number))

/** As people read a number: `+1 202 555 0180`. */
export const spaced = (number: string): string => number.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, '+1 $1 $2 $3')

/** Where there is little room: `+1…0180`. */
export const short = (number: string): string =>
  number.length > 8 ? `${number.slice(0, number.startsWith('+1') ? 2 : 3)}…${number.slice(-4)}` : number

/** Who a number is of that the server shows without its middle; undefined when that could be several. */
export function personBehind(masked: string | null, people: Person[]): Person | undefined {
  const [start, end] = masked?.split('•••') ?? []
  const fits = people.filter(({ number }) =>
    end === undefined ? number === masked : number.startsWith(start ?? '') && number.endsWith(end),
  )
  return fits.length === 1 ? fits[0] : undefined
}
