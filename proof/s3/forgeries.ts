import { FORGED_LEGS } from './forged-legs.ts'
import { FORGED_NUMBERS } from './forged-numbers.ts'
import { atSomeLeg, atSomePlain, type Forgery, forgery, replace, somewhere, without } from './forging.ts'
import type { Entry } from './history.ts'
import { textsIn } from './places.ts'

/** What somebody sees who may not, and what is missing at the end. */
const FORGED_ENDS: Forgery[] = [
  forgery('the partner is shown the number of the sender', 'I3', (place) =>
    atSomeLeg(place, (leg, { from }) => {
      const text = `To=${encodeURIComponent(leg.to)}&Body=${encodeURIComponent(`by ${from}`)}`
      return [...place.history, { type: 'shown', at: leg.ended_at, to: 'partner', of: leg.event, text }]
    }),
  ),
  forgery('an error names somebody', 'I3', (place) =>
    atSomePlain(place, ({ name, opened, members }) => {
      const text = JSON.stringify({ code: 80604, message: `${members[0].identifier.slice(1)} is taken` })
      return [...place.history, { type: 'shown', at: opened.ended_at, to: 'error', of: name, text }]
    }),
  ),
  forgery('a message is on record twice', 'I8', (place) =>
    somewhere(place, place.history.filter(isFound), (found) => {
      const { told } = place.places
      const twice = found.interactions.find(({ event }) => told.get(event)?.[0]?.kind === 'message')
      return twice && replace(place, found, { ...found, interactions: [...found.interactions, twice] })
    }),
  ),
  forgery('a message is not on record', 'lost', (place) =>
    atSomePlain(place, (plain) => {
      const { found } = plain
      const [text] = textsIn(place.places, plain)
      if (!found || !text) return undefined
      const interactions = found.interactions.filter(({ event }) => event !== text.told.event)
      return replace(place, found, { ...found, interactions })
    }),
  ),
  forgery('a message is never sent', 'lost', (place) =>
    atSomePlain(place, (plain) => {
      const { found, changes, opened } = plain
      if (!found || changes.length > 0 || opened.ends_at !== null) return undefined
      const isDoubtful = (event: string) =>
        place.history.some((entry) => entry.type === 'asked' && entry.event === event && entry.answer !== 'go on')
      const text = textsIn(place.places, plain).find(({ told }) => !isDoubtful(told.event))
      return text && without(place, text.leg)
    }),
  ),
  forgery('a close that was answered is undone', 'lost', (place) =>
    atSomePlain(place, ({ found, isEnded, changed_at }) => {
      const isLongOver = found && isEnded && changed_at + 11_000 < found.at
      return isLongOver ? replace(place, found, { ...found, status: 'in-progress' }) : undefined
    }),
  ),
]

const isFound = (entry: Entry) => entry.type === 'found'

/** One for every way in which a promise may be broken that the checker knows of; each changes as little as it can. */
export const FORGERIES: Forgery[] = [...FORGED_NUMBERS, ...FORGED_LEGS, ...FORGED_ENDS]
