import type { ProxySession } from '../../api/bodies.ts'

export const MODES: Record<string, string> = {
  'voice-and-message': 'calls and messages',
  'voice-only': 'calls only',
  'message-only': 'messages only',
}

export const CLOSED_BY: Record<string, string> = {
  api: 'by a request',
  ttl: 'nothing came for so long',
  'date-expiry': 'its time was over',
}

/** When a session ends by itself: at a time that was set, else so long after the last interaction; null for never. */
export function expiryOf({ date_expiry, ttl, date_created, date_last_interaction }: ProxySession): string | null {
  if (date_expiry) return date_expiry
  if (ttl === 0) return null
  return new Date(Date.parse(date_last_interaction ?? date_created) + ttl * 1_000).toISOString()
}

const UNITS = { min: 60, h: 3_600, d: 86_400 } as const
export type Unit = keyof typeof UNITS
export const UNIT_NAMES: [Unit, string][] = [
  ['min', 'minutes'],
  ['h', 'hours'],
  ['d', 'days'],
]

export const secondsOf = (count: number, unit: Unit): number => Math.round(count * UNITS[unit])

/** In the largest unit that divides it. */
export function inUnits(seconds: number): { count: number; unit: Unit } {
  const unit = (['d', 'h'] as const).find((each) => seconds > 0 && seconds % UNITS[each] === 0) ?? 'min'
  return { count: seconds / UNITS[unit], unit }
}
