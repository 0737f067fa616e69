import table from './area-codes.json' with { type: 'json' }

/**
 * North American area codes: which of them overlay the same territory, and how far apart they are. Overlaying is no
 * partition into groups: 917 covers the areas of 212 and of 718, which do not cover each other. The data names some
 * pairs from one side only, so two codes share an overlay when either names the other.
 */
type AreaCode = { country: string; region: string; overlays?: string[]; center?: number[] }

const AREA_CODES = new Map<string, AreaCode>(Object.entries(table))

const EARTH_RADIUS_MILES = 3958.8

export function sharesOverlay(a: string, b: string): boolean {
  return names(a, b) || names(b, a)
}

const names = (a: string, b: string) => AREA_CODES.get(a)?.overlays?.includes(b) ?? false

/** The great-circle distance of the area codes' centres; undefined where one of them is unknown. */
export function milesBetween(a: string, b: string): number | undefined {
  const from = AREA_CODES.get(a)?.center
  const to = AREA_CODES.get(b)?.center
  if (!from || !to) return undefined
  const [fromLatitude, fromLongitude] = inRadians(from)
  const [toLatitude, toLongitude] = inRadians(to)
  const haversine =
    Math.sin((toLatitude - fromLatitude) / 2) ** 2 +
    Math.cos(fromLatitude) * Math.cos(toLatitude) * Math.sin((toLongitude - fromLongitude) / 2) ** 2
  return 2 * EARTH_RADIUS_MILES * Math.asin(Math.min(1, Math.sqrt(haversine)))
}

function inRadians([latitude = 0, longitude = 0]: number[]): [number, number] {
  return [(latitude * Math.PI) / 180, (longitude * Math.PI) / 180]
}
