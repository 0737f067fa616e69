import pg from 'pg'
import { eventually } from '../test/support/server.ts'
import { type Race, type RaceTrack, startRace, text } from './s4-races.ts'
import { signal } from './support/scope.ts'

/**
 * The narrowest races, made wide: a claim reads that a session is live, and before it takes the message the session is
 * closed. We hold the message's row meanwhile, so that the claim waits between the two.
 */
export const HELD_AT_ONCE = 20
/** How long the carrier wants to be left alone: time enough to take hold of what is queued. */
const SOON_S = 2
const MUCH_LATER_S = 600

const FIRST = 'the first'
const SECOND = 'the second'

type Started = Awaited<ReturnType<typeof startRace>>[]

/** A close that takes the row as well waits with the claim, and whoever is second sees what the first one did. */
export async function raceQueued(track: RaceTrack): Promise<void> {
  const started = await startRaces(track, 'between the look and the claim')
  for (const { conversation } of started) {
    track.plans.set(conversation.bob.identifier, async ({ nth }) => (nth === 1 ? { later_s: SOON_S } : 'taken'))
  }
  await Promise.all(started.map(({ conversation }) => text(track, conversation.alice)))
  await areQueued(track, started, 1)
  const held = await hold(track, started, SOON_S)
  try {
    await claimWaits(track, started)
    const closes = closeAll(track, started)
    await closes.areWaiting
    await held.letGo()
    await closes.answered
  } finally {
    await held.end()
  }
}

/**
 * The same with a message that is at the carrier while the close looks for what is queued, and comes back to be tried
 * again before the close has committed: the close has passed it over, and the claim reads that the session is live. A
 * second message is queued for long, so that the close has something to wait at.
 */
export async function raceReturned(track: RaceTrack): Promise<void> {
  const started = await startRaces(track, 'as it comes back from the carrier')
  const comesBack = signal()
  for (const { conversation } of started) {
    track.plans.set(conversation.bob.identifier, async ({ nth, body }) => {
      if (body === SECOND) return { later_s: MUCH_LATER_S }
      if (nth > 1) return 'taken'
      await comesBack.received
      return { later_s: SOON_S }
    })
  }
  await Promise.all(started.map(({ conversation }) => text(track, conversation.alice, SECOND)))
  await areQueued(track, started, 1)
  const arrived = () => track.carrier.arrivals.filter(({ body }) => body === FIRST).length
  const before = arrived()
  await Promise.all(started.map(({ conversation }) => text(track, conversation.alice, FIRST)))
  await eventually(async () => arrived() === before + HELD_AT_ONCE, 'all are at the carrier', 60_000)
  const second = await hold(track, started, MUCH_LATER_S)
  let first: Awaited<ReturnType<typeof hold>> | undefined
  try {
    const closes = closeAll(track, started)
    await closes.areWaiting
    comesBack.send()
    await areQueued(track, started, 2)
    first = await hold(track, started, SOON_S)
    await claimWaits(track, started)
    await second.letGo()
    await closes.answered
    await first.letGo()
  } finally {
    comesBack.send()
    await Promise.all([first?.end(), second.end()])
  }
}

const startRaces = (track: RaceTrack, kind: Race['kind']): Promise<Started> =>
  Promise.all(Array.from({ length: HELD_AT_ONCE }, () => startRace(track, kind)))

const sessionsOf = (started: Started) => started.map(({ conversation }) => conversation.sid)
const QUEUED = 'from interactions where session_sid = any($1) and stage is not null and send_started_at is null'

async function count({ deployment }: RaceTrack, from: string, values: unknown[]) {
  return Number((await deployment.pool.query(`select count(*) as n ${from}`, values)).rows[0].n)
}

const areQueued = (track: RaceTrack, started: Started, each: number) =>
  eventually(
    async () => (await count(track, `${QUEUED} and attempts = 1`, [sessionsOf(started)])) === HELD_AT_ONCE * each,
    'all are queued again',
    60_000,
  )

/** Holds the rows of what is queued for so long at most. */
async function hold({ deployment }: RaceTrack, started: Started, due_s: number) {
  const client = new pg.Client({ connectionString: deployment.database_url })
  await client.connect()
  await client.query('begin')
  const due = `due_at > now() + make_interval(secs => $2::float8 / 10) or $2 < ${MUCH_LATER_S}`
  await client.query(
    `select sid ${QUEUED} and due_at < now() + make_interval(secs => $2::float8 * 2) and (${due}) order by sid for update`,
    [sessionsOf(started), due_s],
  )
  return {
    letGo: async () => void (await client.query('commit')),
    end: () => client.end(),
  }
}

const waiting = (track: RaceTrack, query: string) =>
  count(
    track,
    "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ~* $1",
    [query],
  )

/** Or has taken all there was, where it was faster than we. */
async function claimWaits(track: RaceTrack, started: Started) {
  const soon = `${QUEUED} and attempts = 1 and due_at < now() + make_interval(secs => ${MUCH_LATER_S / 2})`
  const isThere = async () =>
    (await waiting(track, 'claimed as')) > 0 || (await count(track, soon, [sessionsOf(started)])) === 0
  await eventually(isThere, 'a claim waits for what is held', 60_000)
}

/** Asks for every close, and says when each is answered or waits for what is held. */
function closeAll(track: RaceTrack, started: Started) {
  let done = 0
  const answered = Promise.all(started.map(({ close }) => close().then(() => void done++)))
  const areAllThere = async () => done + (await waiting(track, '^update "interactions"')) >= HELD_AT_ONCE
  return {
    answered,
    areWaiting: Promise.race([eventually(areAllThere, 'every close is answered or waits', 60_000), answered]),
  }
}
