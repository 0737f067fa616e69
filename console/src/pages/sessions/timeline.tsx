import { Fragment, useDeferredValue, useLayoutEffect, useRef, useState } from 'react'
import type { Interaction, Participant, ProxySession } from '../../api/bodies.ts'
import { bodyOf } from '../../api/body.ts'
import { useMay } from '../../api/session.tsx'
import type { StreamState } from '../../api/stream.ts'
import { Button } from '../../kit/button.tsx'
import { Reveal } from '../../kit/reveal.tsx'
import { Empty, ErrorNote, Loading } from '../../kit/states.tsx'
import { Announced, LiveMark, verdictWord } from '../../kit/verdict.tsx'
import s from './timeline.module.css'
import { type Entry, gathered, sideOf, type useTimeline } from './timeline-entries.ts'
import { Note, Notes, Passed } from './timeline-entry.tsx'

type Props = {
  session: ProxySession
  path: string
  people: Participant[]
  timeline: ReturnType<typeof useTimeline>
  state: StreamState
}

/** Everything that happened in a session in one column of time, newest first; on the left what the left person sent. */
export function Timeline({ session, path, people, timeline, state }: Props) {
  const { entries, newest, more, error, isLoading, reload } = timeline
  return (
    <section className={s.section} aria-label="Timeline">
      <header className={s.head}>
        <h2>Timeline</h2>
        <LiveMark state={state} />
      </header>
      <Announced text={newest && `${timeOfDay(newest.date_created)}: ${verdictWord(newest)}`} />
      <ErrorNote error={error} retry={reload} />
      {!entries && !error && <Loading />}
      {entries?.length === 0 && (
        <Empty title="Nothing has passed yet.">
          {session.status === 'closed'
            ? 'The session was closed before anybody wrote or called.'
            : 'As soon as one of them texts or calls their proxy number, it stands here.'}
        </Empty>
      )}
      {entries && <Entries entries={entries} people={people} path={path} />}
      {more && (
        <Button className={s.more ?? ''} busy={isLoading} onClick={more}>
          Show older
        </Button>
      )}
    </section>
  )
}

const IN_SIGHT = 40

function Entries({ entries, people, path }: { entries: Entry[]; people: Participant[]; path: string }) {
  const [asked, setAsked] = useState<Interaction>()
  const [texts, setTexts] = useState<Record<string, string>>({})
  const mayReveal = useMay('reveal')
  // What is in sight stands at once, the rest as soon as there is time for it.
  const shown = useDeferredValue(entries, entries.slice(0, IN_SIGHT))
  const rows = gathered(shown)
  useMeasured(entries, shown)
  return (
    <>
      <ol className={s.entries}>
        {rows.map((entry, at) => (
          <Fragment key={entry.sid}>
            <DayLine date={entry.date} before={rows[at - 1]?.date} />
            {entry.kind === 'interaction' ? (
              <Passed
                of={entry.thing}
                side={sideOf(entry.thing, people)}
                text={texts[entry.sid]}
                onReveal={mayReveal ? setAsked : undefined}
              />
            ) : entry.kind === 'run' ? (
              <Notes of={entry} />
            ) : (
              <Note of={entry} />
            )}
          </Fragment>
        ))}
      </ol>
      {asked && (
        <Reveal<{ data: string }>
          path={`/maskline${path}/Interactions/${asked.sid}`}
          what="what this message says"
          onShown={({ data }) => setTexts({ ...texts, [asked.sid]: bodyOf({ type: 'message', data }) ?? '' })}
          onClose={() => setAsked(undefined)}
        />
      )}
    </>
  )
}

const timeOfDay = (date: string) => new Date(date).toLocaleTimeString()

const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })

/** Stands where another day begins. */
function DayLine({ date, before }: { date: string; before: string | undefined }) {
  const isSame = before && new Date(before).toDateString() === new Date(date).toDateString()
  return isSame ? null : <li className={s.day}>{day.format(new Date(date))}</li>
}

/** How long it takes from the data to the picture, of what is in sight and of all, for whoever looks with the browser's tools. */
function useMeasured(entries: Entry[], shown: Entry[]): void {
  const given = useRef({ entries, start: performance.now() })
  if (given.current.entries !== entries) given.current = { entries, start: performance.now() }
  useLayoutEffect(() => {
    const { start } = given.current
    const frame = requestAnimationFrame(() =>
      setTimeout(() => {
        if (performance.getEntriesByName(MEASURE).length > 1) performance.clearMeasures(MEASURE)
        performance.measure(MEASURE, { start, detail: { entries: shown.length } })
      }),
    )
    return () => cancelAnimationFrame(frame)
  }, [shown])
}

const MEASURE = 'session-timeline'
