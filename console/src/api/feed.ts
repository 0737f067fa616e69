import { useEffect, useRef, useState } from 'react'
import { type Kind, type Scope, type StreamState, useStream } from './stream.ts'

type Thing = { sid: string; date_updated?: string }
export type Told = Record<Kind, ReadonlyMap<string, Thing>>

const NOTHING: Told = {
  interaction: new Map(),
  callback: new Map(),
  event: new Map(),
  session: new Map(),
  participant: new Map(),
}

/** What arrives within this time is shown at once, so that a flood does not draw the page for each. */
const GATHER_MS = 40
const MOST_KEPT = 1_000

/**
 * What the stream has told since the page stands, by kind and SID. `reload` is called once the stream is there, for what
 * happened between the reading of a list and that moment, and whenever it says so.
 */
export function useFeed(scope: Scope | undefined, reload: () => void): { told: Told; state: StreamState } {
  const [told, setTold] = useState(NOTHING)
  const waiting = useRef<[Kind, Thing][]>([])
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const flush = () => {
    timer.current = undefined
    const arrived = waiting.current
    waiting.current = []
    setTold((before) => add(before, arrived))
  }
  const state = useStream(
    scope,
    (kind, thing) => {
      waiting.current.push([kind, thing])
      timer.current ??= setTimeout(flush, GATHER_MS)
    },
    reload,
  )
  const onLive = useRef(reload)
  onLive.current = reload
  useEffect(() => {
    if (state === 'live') onLive.current()
  }, [state])
  const key = JSON.stringify(scope)
  // biome-ignore lint/correctness/useExhaustiveDependencies: of another scope nothing has been told yet
  useEffect(() => {
    setTold(NOTHING)
    return () => {
      clearTimeout(timer.current)
      timer.current = undefined
      waiting.current = []
    }
  }, [key])
  return { told, state }
}

function add(before: Told, arrived: [Kind, Thing][]): Told {
  const after = { ...before }
  for (const kind of new Set(arrived.map(([kind]) => kind))) {
    const things = new Map(before[kind])
    for (const [of, thing] of arrived) if (of === kind) things.set(thing.sid, newer(things.get(thing.sid), thing))
    const tooMany = [...things.keys()].slice(0, Math.max(0, things.size - MOST_KEPT))
    for (const sid of tooMany) things.delete(sid)
    after[kind] = things
  }
  return after
}

/** Of two accounts of one thing, dates being whole seconds, the later one wins a tie. */
const newer = <T extends Thing>(known: T | undefined, told: T): T =>
  known && (known.date_updated ?? '') > (told.date_updated ?? '') ? known : told

/**
 * A list, newest first, with what was told of its rows since, and with new ones. What is older than all that was read is
 * left out as long as there is more to read. SIDs are in the order of time.
 */
export function withTold<Row extends Thing>(
  rows: Row[] | undefined,
  told: ReadonlyMap<string, Thing>,
  { fits = () => true, isWhole = true }: { fits?: (row: Row) => boolean; isWhole?: boolean } = {},
): Row[] | undefined {
  if (!rows) return undefined
  const known = new Map(rows.map((row) => [row.sid, row]))
  const oldest = isWhole ? '' : (rows.at(-1)?.sid ?? '')
  for (const thing of told.values() as Iterable<Row>) {
    const before = known.get(thing.sid)
    if (before || (fits(thing) && thing.sid > oldest)) known.set(thing.sid, newer(before, thing))
  }
  return [...known.values()].sort((one, other) => (one.sid < other.sid ? 1 : -1))
}
