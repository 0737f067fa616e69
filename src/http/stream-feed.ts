import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Caller } from '../core/accounts.ts'
import {
  type ChangeScope,
  type Changes,
  currentMoment,
  type Moment,
  parseMoment,
  readChanges,
  writeMoment,
} from '../core/changes.ts'
import type { HttpContext } from './context.ts'
import { createItems, type Item } from './stream-items.ts'

/**
 * Those who listen to what happens. What they want to hear of is asked for a few times a second, once for all who want the
 * same, and not at all while nobody listens. One look is under way at a time, and looking takes at most half of the time, so
 * that however many listen, all of them together hold up nobody.
 */
const EVERY_MS = 150
/** What is older than the newest is looked at less often. */
const LONG_EVERY_MS = 1_000
/** Where more happens than can be told, those who listen are told to read anew, at most so often. */
const LOST_EVERY_MS = 5_000
const BEAT_MS = 15_000
/** How often it is looked whether a listener still may. */
const CHECK_MS = 5_000
const UPKEEP_MS = 500
/** Who is further behind is cut off, and goes on where they were. */
const MOST_BEHIND_BYTES = 1024 * 1024
const MOST_OF_ACCOUNT = 50
const MOST_LISTENERS = 200

type Listener = {
  stream: Readable
  caller: Caller
  isAllowed: () => Promise<boolean>
  /** What came while it was told what it had missed. */
  held: Batch[] | undefined
  beat_at: number
  check_at: number
}

/** Without items: there was too much to tell. */
type Batch = { items: Item[] | undefined; now: Moment }

/** Those who want to hear of the same. */
type Channel = {
  scope: ChangeScope
  listeners: Set<Listener>
  /** Up to where all has been told, and was looked for among what is older. */
  told: Moment
  long_told: Moment
  long_at: number
  lost_at: number
  owes_lost: boolean
}

export type Listening = {
  scope: ChangeScope
  caller: Caller
  isAllowed: () => Promise<boolean>
  /** Where the listener was the last time. */
  after: string | undefined
  /** Whether it goes on, or ends with what has happened by now. */
  goes_on: boolean
}

export type Feed = Pick<HttpContext, 'store' | 'log' | 'isAccepting'> & {
  itemsOf: (changes: Changes) => Item[]
  channels: Map<string, Channel>
  listeners: Set<Listener>
  upkeep: NodeJS.Timeout | undefined
  isLooking: boolean
}

export const createFeed = ({ store, log, isAccepting }: Pick<HttpContext, 'store' | 'log' | 'isAccepting'>): Feed => ({
  ...{ store, log, isAccepting, itemsOf: createItems(store) },
  ...{ channels: new Map(), listeners: new Set(), upkeep: undefined, isLooking: false },
})

/** Ends all that is sent. */
export function closeFeed({ listeners }: Feed): void {
  for (const { stream } of listeners) end(stream)
}

/** What the listener is sent; or whose share is used up. */
export async function listen(feed: Feed, listening: Listening): Promise<Readable | 'account' | 'server'> {
  const { scope, caller, isAllowed, goes_on } = listening
  const { listeners } = feed
  if (listeners.size >= MOST_LISTENERS || !feed.isAccepting()) return 'server'
  const ofAccount = [...listeners].filter((other) => other.caller.account_sid === scope.account_sid)
  if (ofAccount.length >= MOST_OF_ACCOUNT) return 'account'
  const at = performance.now()
  const stream = new Readable({ read: () => undefined })
  const listener: Listener = { stream, caller, isAllowed, held: [], beat_at: at, check_at: at }
  if (listeners.size === 0) feed.upkeep = setInterval(() => maintain(feed), UPKEEP_MS).unref()
  listeners.add(listener)
  stream.once('close', () => leave(feed, listener))
  try {
    const channel = await openChannel(feed, scope)
    channel.listeners.add(listener)
    void keepLooking(feed)
    await greet(feed, listener, channel, listening.after)
    if (!goes_on) end(stream)
  } catch (error) {
    stream.destroy()
    throw error
  }
  return stream
}

async function openChannel({ store, channels }: Feed, scope: ChangeScope): Promise<Channel> {
  const key = `${scope.account_sid} ${scope.service_sid} ${scope.session_sid}`
  const known = channels.get(key)
  if (known) return known
  const told = await currentMoment(store)
  const opened = channels.get(key) ?? {
    ...{ scope, listeners: new Set<Listener>(), told, long_told: told, long_at: performance.now() },
    ...{ lost_at: Number.NEGATIVE_INFINITY, owes_lost: false },
  }
  channels.set(key, opened)
  return opened
}

function leave({ channels, listeners, upkeep }: Feed, listener: Listener) {
  listeners.delete(listener)
  for (const [key, channel] of channels) {
    if (channel.listeners.delete(listener) && channel.listeners.size === 0) channels.delete(key)
  }
  if (listeners.size === 0) clearInterval(upkeep)
}

async function keepLooking(feed: Feed): Promise<void> {
  if (feed.isLooking) return
  feed.isLooking = true
  while (feed.channels.size > 0) {
    const started = performance.now()
    for (const channel of feed.channels.values()) {
      await look(feed, channel).catch((error) => feed.log.debug({ err: error }, 'what changed could not be read'))
    }
    const took = performance.now() - started
    await delay(Math.max(EVERY_MS - took, took), undefined, { ref: false })
  }
  feed.isLooking = false
}

async function look({ store, itemsOf }: Feed, channel: Channel): Promise<void> {
  const at = performance.now()
  const isLong = at - channel.long_at >= LONG_EVERY_MS
  const since = { since: channel.told, long_since: isLong ? channel.long_told : undefined }
  const found = await readChanges(store, channel.scope, since)
  channel.told = found.now
  if (isLong) Object.assign(channel, { long_told: found.now, long_at: at })
  if (found.outcome === 'lost') channel.owes_lost = true
  if (channel.owes_lost && at - channel.lost_at >= LOST_EVERY_MS) {
    Object.assign(channel, { owes_lost: false, lost_at: at })
    return tellAll(channel, { items: undefined, now: found.now })
  }
  if (found.outcome === 'lost') return
  const items = itemsOf(found.changes)
  if (items.length > 0) tellAll(channel, { items, now: found.now })
}

/** Where they were the last time, they are told what came since; what comes meanwhile is held back until then. */
async function greet(
  { store, itemsOf }: Feed,
  listener: Listener,
  { scope, told }: Channel,
  after: string | undefined,
): Promise<void> {
  write(listener, `retry: 1000\n${after === undefined ? idOf(told) : ''}event: hello\ndata: {}\n\n`)
  const since = after === undefined ? undefined : parseMoment(after)
  if (since) {
    const found = await readChanges(store, scope, { since, long_since: since })
    tell(listener, { items: found.outcome === 'found' ? itemsOf(found.changes) : undefined, now: found.now })
  } else if (after !== undefined) tell(listener, { items: undefined, now: told })
  const { held = [] } = listener
  listener.held = undefined
  for (const batch of held) tell(listener, batch)
}

function tellAll({ listeners }: Channel, batch: Batch) {
  for (const listener of listeners) {
    if (listener.held) listener.held.push(batch)
    else tell(listener, batch)
  }
}

/** Where one is stands behind the last item, so that who gets only some of them is sent them again. */
function tell(listener: Listener, { items, now }: Batch) {
  const texts = items?.map((item) => item(listener.caller.scopes)) ?? ['event: reset\ndata: {}\n\n']
  write(listener, `${texts.join('')}${idOf(now)}\n`)
}

const idOf = (moment: Moment) => `id: ${writeMoment(moment)}\n`

function write({ stream }: Listener, text: string) {
  if (stream.readableEnded || stream.destroyed) return
  stream.push(text)
  if (stream.readableLength > MOST_BEHIND_BYTES) stream.destroy()
}

function end(stream: Readable) {
  if (!stream.readableEnded && !stream.destroyed) stream.push(null)
}

function maintain(feed: Feed) {
  if (!feed.isAccepting()) closeFeed(feed)
  for (const channel of feed.channels.values()) for (const listener of channel.listeners) attend(listener, channel)
}

function attend(listener: Listener, { told }: Channel) {
  const at = performance.now()
  if (at - listener.beat_at >= BEAT_MS && !listener.held) {
    listener.beat_at = at
    // Whoever heard nothing for long is as far as all others.
    write(listener, `: still here\n${idOf(told)}\n`)
  }
  if (at - listener.check_at < CHECK_MS) return
  listener.check_at = at
  listener.isAllowed().then(
    (isStill) => void (isStill || end(listener.stream)),
    // Nobody can be asked; the next time may tell.
    () => undefined,
  )
}
