import { useEffect, useState } from 'react'
import type { Interaction } from '../../api/bodies.ts'
import { withQuery } from '../../api/http.ts'
import { type Kind, useStream } from '../../api/stream.ts'
import { useGet } from '../../api/use.ts'

type Known = Record<string, { interaction: Interaction; changes: number }>

const KEPT = 30

/**
 * The newest interactions of a service as they happen, newest first. `changesOf` counts what was told of one, its callbacks and
 * events included. `onThing` hears of everything.
 */
export function useInteractions(service_sid: string, onThing: (kind: Kind, thing: object) => void) {
  const [known, setKnown] = useState<Known>({})
  const first = useGet<{ interactions: Interaction[] }>(
    withQuery('/maskline/v1/Interactions', { ServiceSid: service_sid, PageSize: KEPT }),
  )
  useEffect(() => {
    if (first.data) setKnown((before) => first.data?.interactions.reduce(withInteraction, before) ?? before)
  }, [first.data])
  const state = useStream(
    { ServiceSid: service_sid },
    (kind, thing) => {
      setKnown((before) =>
        kind === 'interaction' ? withInteraction(before, thing as Interaction) : touched(before, thing),
      )
      onThing(kind, thing)
    },
    () => first.reload(),
  )
  const interactions = Object.values(known)
    .map(({ interaction }) => interaction)
    .sort((a, b) => (a.sid < b.sid ? 1 : -1))
  return { interactions, changesOf: (sid: string) => known[sid]?.changes ?? 0, state, error: first.error }
}

/** Of two states of one, the newer counts; they may come twice, and late. */
function withInteraction(known: Known, interaction: Interaction): Known {
  const before = known[interaction.sid]
  if (before && before.interaction.date_updated > interaction.date_updated) return known
  const next = { ...known, [interaction.sid]: { interaction, changes: (before?.changes ?? 0) + 1 } }
  const sids = Object.keys(next).sort()
  for (const old of sids.slice(0, -KEPT)) delete next[old]
  return next
}

function touched(known: Known, thing: object): Known {
  const { interaction_sid } = thing as { interaction_sid?: string | null }
  const before = interaction_sid && known[interaction_sid]
  return before ? { ...known, [interaction_sid]: { ...before, changes: before.changes + 1 } } : known
}
