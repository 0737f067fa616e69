import useSWR from 'swr'
import type { Found, ProxySession } from '../../api/bodies.ts'
import { type ApiError, post } from '../../api/http.ts'
import { short } from './people.ts'
import type { Phones } from './simulator.ts'

/** A session as the phones on the page take part in it: who dials which number. */
export type Line = { session: ProxySession; ends: End[] }
export type End = { participant_sid: string; proxy_identifier: string; number: string | undefined; identifier: string }

export const isLive = ({ session: { status } }: Line) => status === 'open' || status === 'in-progress'

/** The sessions of a service that these phones are in, newest first, ended ones too. */
export function useLines(service_sid: string, numbers: string[]) {
  const { data, error, mutate } = useSWR<Line[], ApiError>(
    ['lines', service_sid, ...numbers],
    () => readLines(service_sid, numbers),
    {
      keepPreviousData: true,
    },
  )
  return { lines: data, error, reload: mutate }
}

/** Bodies show nobody's number, so it is asked for each phone where it is found. */
async function readLines(service_sid: string, numbers: string[]): Promise<Line[]> {
  const lines = new Map<string, Line>()
  // As the phones stand on the page, and whoever has none of them last.
  const placeOf = ({ number }: End) => (number === undefined ? numbers.length : numbers.indexOf(number))
  const found = await Promise.all(numbers.map((Query) => post<Found>('/maskline/v1/Search', { Query })))
  for (const [at, { sessions }] of found.entries()) {
    for (const { participants, match, ...session } of sessions) {
      if (session.service_sid !== service_sid) continue
      const line = lines.get(session.sid) ?? {
        session,
        ends: participants.map(({ sid, ...rest }) => ({ participant_sid: sid, number: undefined, ...rest })),
      }
      lines.set(session.sid, line)
      for (const end of line.ends) if (end.participant_sid === match) end.number = numbers[at]
    }
  }
  for (const { ends } of lines.values()) ends.sort((a, b) => placeOf(a) - placeOf(b))
  return [...lines.values()].sort((a, b) => (a.session.sid < b.session.sid ? 1 : -1))
}

/** The one between phones on the page in which most has happened, and of several the newest. */
export function lineInHand(lines: Line[], phones: Phones): Line | undefined {
  const between = lines.filter((line) => isLive(line) && line.ends.filter(({ number }) => number).length > 1)
  const happened = (line: Line) => {
    const { reached, called } = progressOf(line, phones)
    return reached.length + Number(called)
  }
  return between.reduce<Line | undefined>(
    (best, line) => (best && happened(best) >= happened(line) ? best : line),
    undefined,
  )
}

export const endOf = (line: Line | undefined, participant_sid: string | null): End | undefined =>
  line?.ends.find((end) => end.participant_sid === participant_sid)

/** The proxy numbers that this person has been given. */
export const proxiesOf = (lines: Line[], number: string): string[] =>
  lines
    .filter(isLive)
    .flatMap(({ ends }) => ends.filter((end) => end.number === number).map((end) => end.proxy_identifier))

export const createLine = (service_sid: string, people: { name: string; number: string }[]) =>
  post<ProxySession>(`/v1/Services/${service_sid}/Sessions`, {
    Participants: people.map(({ name, number }) => JSON.stringify({ Identifier: number, FriendlyName: name })),
  })

export const closeLine = ({ session }: Line) =>
  post(`/v1/Services/${session.service_sid}/Sessions/${session.sid}`, { Status: 'closed' })

/** What has really happened in a line: whom a text reached, and whether they talked. */
export function progressOf(line: Line | undefined, phones: Phones): { reached: End[]; called: boolean } {
  const since = line?.session.date_created ?? ''
  const ends = line?.ends ?? []
  const reached = ends.filter(({ number, proxy_identifier }) =>
    phones[number ?? '']?.messages.some(
      ({ direction, from, date }) => direction === 'inbound' && from === proxy_identifier && date >= since,
    ),
  )
  const called = ends.some(({ number, proxy_identifier }) =>
    phones[number ?? '']?.calls.some((call) => call.number === proxy_identifier && call.answered && call.date >= since),
  )
  return { reached, called }
}

/** A name where the phone is on the page, else what the server shows of the number. */
export const nameOf = (end: End | undefined, people: { name: string; number: string }[]): string | undefined =>
  end && (people.find(({ number }) => number === end.number)?.name ?? short(end.identifier))
