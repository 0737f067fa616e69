import type { Found } from '../../api/bodies.ts'

/** Where something stands in the console; undefined where it has no page of its own. */
export function placeOf({ sid, service_sid, session_sid }: NonNullable<Found['found']>): string | undefined {
  const session = service_sid && session_sid ? `/sessions/${service_sid}/${session_sid}` : undefined
  const number = service_sid ? `/numbers?service=${service_sid}&number=${sid}` : undefined
  const places: Record<string, string | undefined> = {
    KS: `/services/${sid}`,
    KC: service_sid ? `/sessions/${service_sid}/${sid}` : undefined,
    KP: session,
    KI: `/traffic/${sid}`,
    PN: number,
    SC: number,
    CB: `/callbacks?callback=${sid}`,
  }
  return places[sid.slice(0, 2)]
}
