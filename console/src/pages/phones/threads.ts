import type { Call, Message, Phone } from './simulator.ts'

/** What a phone has with one number: texts and calls, oldest first. */
export type Thread = { number: string; entries: Entry[] }
export type Entry =
  | { kind: 'message'; key: string; date: string; message: Message }
  | { kind: 'call'; key: string; date: string; call: Call }

/** One per number, the one with the newest entry first; `known` are numbers without an entry yet. */
export function threadsOf({ messages, calls }: Phone, known: string[]): Thread[] {
  const threads = new Map<string, Entry[]>(known.map((number) => [number, []]))
  const put = (number: string, entry: Entry) => {
    threads.set(number, [...(threads.get(number) ?? []), entry])
  }
  for (const message of messages) {
    const number = message.direction === 'inbound' ? message.from : message.to
    put(number, { kind: 'message', key: message.sid, date: message.date, message })
  }
  for (const call of calls) {
    put(call.number, { kind: 'call', key: `${call.sid}-${call.direction}`, date: call.date, call })
  }
  const sorted = [...threads].map(([number, entries]) => ({
    number,
    entries: entries.toSorted((a, b) => a.date.localeCompare(b.date)),
  }))
  const newest = ({ entries }: Thread) => entries.at(-1)?.date ?? ''
  return sorted.sort((a, b) => newest(b).localeCompare(newest(a)))
}

/** A call as a phone's list names it. */
export function callText({ direction, state, answered, duration_s }: Call): string {
  if (state !== 'ended') return state === 'ringing' ? 'Ringing' : 'On the phone'
  if (answered) return `${direction === 'inbound' ? 'Incoming' : 'Outgoing'} call, ${clockText(duration_s ?? 0)}`
  return direction === 'inbound' ? 'Missed call' : 'Call not answered'
}

export const clockText = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`

export const previewOf = (entry: Entry | undefined): string => {
  if (!entry) return 'Nothing yet'
  if (entry.kind === 'call') return callText(entry.call)
  return entry.message.body || 'Picture'
}
