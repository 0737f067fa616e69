import { atSomePlain, type Forgery, forgery, meetSomebodyElse, type Place, shortly, somewhere } from './forging.ts'
import type { Change, Entry, Member } from './history.ts'
import { type Plain, wasNever } from './places.ts'

/** Numbers given to two at once, too soon, or out of the wrong pool. */
export const FORGED_NUMBERS: Forgery[] = [
  forgery('somebody has one number in two sessions at once', 'I1', (place) =>
    atSomePlain(place, (plain) => {
      const { opened, quiet_until } = plain
      const hasTime = quiet_until > opened.ended_at + 20
      return hasTime ? meetSomebodyElse(place, plain, shortly(opened.ended_at)) : undefined
    }),
  ),
  forgery('in a strict service somebody has a number with another partner at once', 'I5', (place) =>
    atSomePlain(place, (plain) =>
      cools(place, plain, 'strict') ? meetSomebodyElse(place, plain, shortly(plain.changed_at)) : undefined,
    ),
  ),
  forgery('somebody has a number with another partner at once while another is free', 'I5', (place) =>
    atSomePlain(place, (plain) =>
      cools(place, plain, 'best-effort') && hasFreeNumber(place, plain)
        ? meetSomebodyElse(place, plain, shortly(plain.changed_at))
        : undefined,
    ),
  ),
  forgery('a number is in two pools at once', 'I6', (place) => {
    const { services, moved, end } = place.places
    return somewhere(place, services, ({ sid, numbers }) => {
      const service = services.find((other) => other.sid !== sid)?.sid
      const number = numbers.find((each) => !moved.has(each))
      if (!service || !number) return undefined
      const span = shortly(end)
      const added: Change = {
        type: 'change',
        what: 'add number',
        outcome: 'done',
        status: 201,
        ...span,
        service,
        number,
      }
      return [...place.history, added]
    })
  }),
  forgery('somebody has a number of no pool', 'I6', (place) =>
    atSomePlain(place, ({ service, members }) => {
      const isKnown = place.places.services.some(({ sid }) => sid === service)
      return isKnown ? place.history.map((entry) => movedTo(entry, members[0], '+15005550199')) : undefined
    }),
  ),
]

/** A session that ended so quickly that its numbers are still cooling down a moment later. */
function cools(place: Place, plain: Plain, mode: 'strict' | 'best-effort'): boolean {
  const rules = place.places.services.find(({ sid }) => sid === plain.service)
  if (!plain.isEnded || rules?.cool_down_mode !== mode) return false
  return plain.quiet_until > plain.opened.ended_at && plain.changed_at - plain.quiet_until + 20 < rules.cool_down_ms
}

/** In the pool from beginning to end, and never in the hands of this person so far. */
function hasFreeNumber({ places }: Place, { service, members, changed_at }: Plain): boolean {
  const [{ identifier, proxy }] = members
  const numbers = places.services.find(({ sid }) => sid === service)?.numbers ?? []
  const stays = (places.stays.get(identifier) ?? []).filter(({ began_at }) => began_at < changed_at + 20)
  const sofar = { stays: new Map([[identifier, stays]]) }
  return numbers.some(
    (number) =>
      number.slice(0, 5) === proxy.slice(0, 5) && !places.moved.has(number) && wasNever(sofar, identifier, number),
  )
}

function movedTo(entry: Entry, { sid }: Member, proxy: string): Entry {
  const moved = (member: Member) => (member.sid === sid ? { ...member, proxy } : member)
  if ('members' in entry) return { ...entry, members: entry.members.map(moved) }
  return 'member' in entry ? { ...entry, member: moved(entry.member) } : entry
}
