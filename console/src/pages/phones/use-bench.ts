import { useRef, useState } from 'react'
import type { Participant, ProxySession } from '../../api/bodies.ts'
import type { Kind } from '../../api/stream.ts'
import { useGuideSteps } from './guide-steps.ts'
import type { HandsetHandle } from './handset.tsx'
import { closeLine, isLive, type Line, useLines } from './lines.ts'
import { personBehind, usePeople } from './people.ts'
import { clearPhone, NO_PHONE, usePhones } from './simulator.ts'

const KEY = 'maskline-guide'
const SOON_MS = 250

/** What was before the last start over is shown no more; kept while the console is open. */
let startedOver = ''

export type Bench = ReturnType<typeof useBench>

/** Everything on the page of phones, and what can be done with it. */
export function useBench(service_sid: string) {
  const people = usePeople()
  const numbers = people.map(({ number }) => number)
  const { phones, error: phonesError, look } = usePhones(numbers)
  const { lines = [], error: linesError, reload } = useLines(service_sid, numbers)
  const [current, show] = useState<string>()
  const [isShown, setShown] = useState(localStorage.getItem(KEY) !== 'dismissed')
  const [since, setSince] = useState(startedOver)
  const handles = useRef(new Map<string, HandsetHandle>())
  const compose = (number: string, to: string, body: string) => {
    show(number)
    handles.current.get(number)?.compose(to, body)
  }
  const given = { service_sid, people, lines, phones, look, reload: () => reload(), compose, show }
  const { hand, steps, error } = useGuideSteps(given)
  const showGuide = (shown: boolean) => {
    if (shown) localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, 'dismissed')
    setShown(shown)
  }
  const startOver = async () => {
    await Promise.all(lines.filter((line) => isLive(line) && isAmong(line, numbers)).map(closeLine))
    await Promise.all(numbers.map((number) => clearPhone(number, phones[number] ?? NO_PHONE)))
    startedOver = new Date().toISOString()
    setSince(startedOver)
    showGuide(true)
    look()
    await reload()
  }
  return {
    ...{ people, phones, lines, hand, steps, since, look, handles, startOver, show },
    current: people.find(({ number }) => number === current)?.number ?? numbers[0],
    reload: () => reload(),
    error: phonesError ?? linesError ?? error,
    guide: { isShown, show: showGuide },
    onThing: useChanges(lines, reload, look),
  }
}

/** Whether nobody else is in it. */
const isAmong = ({ ends }: Line, numbers: string[]) =>
  ends.every(({ number }) => number !== undefined && numbers.includes(number))

type Reload = ReturnType<typeof useLines>['reload']

/** Takes from the stream what concerns the phones: sessions that change, and people who come into one. */
function useChanges(lines: Line[], reload: Reload, look: () => void) {
  const people = usePeople()
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  return (kind: Kind, thing: object) => {
    if (kind === 'interaction') look()
    if (kind === 'session') reload((before) => before && withSession(before, thing as ProxySession), false)
    if (kind === 'participant' && isNews(thing as Participant)) {
      clearTimeout(timer.current)
      timer.current = setTimeout(() => reload(), SOON_MS)
    }
  }
  function isNews({ sid, identifier, date_deleted }: Participant): boolean {
    const isKnown = lines.some(({ ends }) => ends.some(({ participant_sid }) => participant_sid === sid))
    return isKnown ? date_deleted !== null : personBehind(identifier, people) !== undefined
  }
}

const withSession = (lines: Line[], session: ProxySession): Line[] =>
  lines.map((line) =>
    line.session.sid === session.sid && line.session.date_updated <= session.date_updated ? { ...line, session } : line,
  )
