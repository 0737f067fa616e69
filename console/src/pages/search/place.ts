import type { Found } from '../../api/bodies.ts'

/** Where the one thing that was found stands in the console; undefined where it has no page. */
export function placeOf({ found, interactions: [interaction] }: Found): string | undefined {
  if (!found) return undefined
  const { sid, service_sid, session_sid } = found
  const inSession = service_sid && session_sid ? `/sessions/${service_sid}/${session_sid}` : undefined
  const number = service_sid ? `/numbers?service=${service_sid}&number=${sid}` : undefined
  const places: Record<string, string | undefined> = {
    KS: `/services/${sid}`,
    KC: service_sid ? `/sessions/${service_sid}/${sid}` : undefined,
    KP: inSession,
    KI: `/traffic/${sid}`,
    PN: number,
    SC: number,
    CB: `/callbacks?callback=${sid}`,
  }
  const prefix = sid.slice(0, 2)
  // What else is found, as a message at the carrier or a recording, is of an interaction.
  return prefix in places ? places[prefix] : interaction && `/traffic/${interaction.sid}`
}
