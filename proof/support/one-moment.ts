/** Something that was changed and acknowledged: when it was asked for and when the answer was there, in ms since 1970. */
export type Change = { what: string; sid: string; began_at: number; ended_at: number }

/** Times are read to the millisecond, at several places. */
const BLUR_MS = 5

/**
 * What is missing in a state that was taken at one moment, at `since` or later: whatever had been acknowledged by then.
 * The moment itself nobody told us, but it was after the beginning of anything that is there, of whatever kind. So when
 * one table was read later than another, what is there of the one convicts the other.
 */
export function findMissing(changes: Change[], isThere: (change: Change) => boolean, since: number): Change[] {
  let moment = since
  const missing: Change[] = []
  for (const change of changes) {
    if (isThere(change)) moment = Math.max(moment, change.began_at)
    else missing.push(change)
  }
  return missing.filter(({ ended_at }) => ended_at + BLUR_MS < moment)
}
