import {
  atSomeCall,
  atSomeEnded,
  atSomeLeg,
  type Forgery,
  forgery,
  replace,
  shortly,
  somewhere,
  without,
} from './forging.ts'
import { strangerTo, wasNever } from './places.ts'

/** Legs to the wrong people, at the wrong time, and too many. */
export const FORGED_LEGS: Forgery[] = [
  forgery('a message goes to somebody who never met its sender', 'I2', (place) =>
    atSomeLeg(place, (leg, { from }) => {
      const to = strangerTo(place.places, from)
      return to ? replace(place, leg, { ...leg, to }) : undefined
    }),
  ),
  forgery('a message comes from the number of its sender', 'I2', (place) =>
    atSomeLeg(place, (leg, { from }) => replace(place, leg, { ...leg, from })),
  ),
  forgery('a call shows the number of its caller', 'I2', (place) =>
    atSomeCall(place, (call, dials) => replace(place, call, { ...call, dials: { ...dials, caller_id: call.from } })),
  ),
  forgery('a call goes to somebody who never met its caller', 'I2', (place) =>
    atSomeCall(place, (call, dials) => {
      const number = strangerTo(place.places, call.from)
      return number ? replace(place, call, { ...call, dials: { ...dials, number } }) : undefined
    }),
  ),
  forgery('a message is taken up after the session has ended', 'I4', (place) =>
    atSomeEnded(place, ({ changed_at }, leg) => replace(place, leg, { ...leg, ...shortly(changed_at) })),
  ),
  forgery('a message that came back is taken up again after the session has ended', 'I4', (place) =>
    atSomeEnded(place, ({ changed_at }, leg) => [
      ...without(place, leg),
      { ...leg, status: 503, is_taken: false },
      { ...leg, ...shortly(changed_at) },
    ]),
  ),
  forgery('a message comes of nothing', 'I7', (place) =>
    atSomeLeg(place, (leg) => [...place.history, { ...leg, event: `${leg.event}-forged` }]),
  ),
  forgery('a text to a number by which one reaches nobody is sent to somebody', 'I7', (place) =>
    somewhere(place, [...place.places.told.values()], ([told]) => {
      if (told?.kind !== 'message' || !wasNever(place.places, told.from, told.to)) return undefined
      const [leg] = [...place.places.legs.values()][0] ?? []
      return leg && [...place.history, { ...leg, event: told.event, ...shortly(told.ended_at) }]
    }),
  ),
  forgery('a text to a session that has ended is sent', 'I7', (place) =>
    atSomeEnded(place, ({ name, changed_at }, leg, told) => {
      if (!wasNever(place.places, told.from, told.to, name)) return undefined
      const event = `${leg.event}-forged`
      const later = shortly(changed_at + 20)
      return [...place.history, { ...told, ...shortly(changed_at), event }, { ...leg, ...later, event }]
    }),
  ),
  forgery('a message is sent twice', 'I8', (place) =>
    atSomeLeg(place, (leg) => [...place.history, { ...leg, ended_at: leg.ended_at + 1 }]),
  ),
  forgery('a call that comes again dials somebody else', 'I8', (place) =>
    atSomeCall(place, (call, dials) => {
      const number = strangerTo(place.places, call.from)
      return number ? [...place.history, { ...call, dials: { ...dials, number } }] : undefined
    }),
  ),
  forgery('what the customer forbade goes on', 'intercept', (place) =>
    somewhere(
      place,
      place.history.filter((entry) => entry.type === 'asked'),
      ({ event }) => {
        const { legs, told } = place.places
        if (!legs.has(event) && !told.get(event)?.some(({ dials }) => dials)) return undefined
        return place.history.map((entry) =>
          entry.type === 'asked' && entry.event === event ? { ...entry, answer: 'no' } : entry,
        )
      },
    ),
  ),
]
