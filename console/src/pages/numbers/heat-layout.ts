import type { PoolNumber } from '../../api/bodies.ts'
import type { Group } from './pool.ts'

/** Where everything on the map stands, in pixels. The cells of a block are those from `start` on. */
export type Block = { group: Group; x: number; y: number; columns: number; start: number }
export type Layout = {
  width: number
  height: number
  /** From one cell to the next, and what is empty between them. */
  pitch: number
  gap: number
  blocks: Block[]
  headings: { country: string; count: number; y: number }[]
  cells: PoolNumber[]
}

const LABEL = 17
const HEADING = 26
const BETWEEN = 14

const pitchOf = (count: number) => (count <= 200 ? 26 : count <= 1_500 ? 18 : 13)

/**
 * Blocks of area codes, put side by side like words in a line. Those of a country are equally high, so that the lines are
 * even; one that would be wider than the line is as high as it has to be.
 */
export function layOut(groups: readonly Group[], width: number): Layout {
  const cells = groups.flatMap(({ numbers }) => numbers)
  const pitch = pitchOf(cells.length)
  const layout: Layout = { width, height: 0, pitch, gap: pitch > 13 ? 3 : 2, blocks: [], headings: [], cells }
  const widest = Math.max(1, Math.floor(width / pitch))
  const least = Math.ceil(60 / pitch)
  let start = 0
  let y = 0
  for (const [country, own] of byCountry(groups)) {
    const count = own.reduce((sum, { numbers }) => sum + numbers.length, 0)
    layout.headings.push({ country, count, y })
    y += HEADING
    const rows = Math.max(1, Math.min(8, Math.round(Math.sqrt(count / own.length / 2.5))))
    let x = 0
    let lineHeight = 0
    for (const group of own) {
      const columns = Math.min(widest, Math.max(least, Math.ceil(group.numbers.length / rows)))
      if (x > 0 && x + columns * pitch > width) {
        y += lineHeight + BETWEEN
        x = 0
        lineHeight = 0
      }
      layout.blocks.push({ group, x, y: y + LABEL, columns, start })
      lineHeight = Math.max(lineHeight, LABEL + Math.ceil(group.numbers.length / columns) * pitch)
      x += columns * pitch + BETWEEN
      start += group.numbers.length
    }
    y += lineHeight + BETWEEN
  }
  return { ...layout, height: Math.max(0, y - BETWEEN) }
}

function byCountry(groups: readonly Group[]): Map<string, Group[]> {
  const countries = new Map<string, Group[]>()
  for (const group of groups) countries.set(group.country, [...(countries.get(group.country) ?? []), group])
  return countries
}

/** The corner of a cell. */
export function placeOf({ blocks, pitch }: Layout, at: number): { x: number; y: number } {
  const block = blocks[blockOf(blocks, at)]
  return block ? placeIn(block, at - block.start, pitch) : { x: 0, y: 0 }
}

export const placeIn = ({ x, y, columns }: Block, within: number, pitch: number) => ({
  x: x + (within % columns) * pitch,
  y: y + Math.floor(within / columns) * pitch,
})

export const blockOf = (blocks: readonly Block[], at: number) => blocks.findLastIndex(({ start }) => start <= at)

/** The cell under a point; undefined where there is none. */
export function cellAt({ blocks, pitch }: Layout, x: number, y: number): number | undefined {
  for (const block of blocks) {
    const column = Math.floor((x - block.x) / pitch)
    const row = Math.floor((y - block.y) / pitch)
    if (column < 0 || row < 0 || column >= block.columns) continue
    const within = row * block.columns + column
    if (within < block.group.numbers.length) return block.start + within
  }
  return undefined
}

/** Where a key leads from a cell; undefined for keys that lead nowhere. */
export function step(layout: Layout, at: number, key: string): number | undefined {
  const { blocks, cells } = layout
  const last = cells.length - 1
  const block = blockOf(blocks, at)
  const places: Record<string, () => number> = {
    ArrowRight: () => Math.min(last, at + 1),
    ArrowLeft: () => Math.max(0, at - 1),
    ArrowDown: () => beside(layout, at, 1),
    ArrowUp: () => beside(layout, at, -1),
    PageDown: () => blocks[block + 1]?.start ?? last,
    PageUp: () => (blocks[block]?.start === at ? blocks[block - 1]?.start : blocks[block]?.start) ?? 0,
    Home: () => 0,
    End: () => last,
  }
  return places[key]?.()
}

/** The nearest cell above or below, of which one in the same column is near. */
function beside(layout: Layout, at: number, direction: 1 | -1): number {
  const from = placeOf(layout, at)
  let nearest = at
  let least = Number.POSITIVE_INFINITY
  for (const block of layout.blocks) {
    for (let within = 0; within < block.group.numbers.length; within++) {
      const { x, y } = placeIn(block, within, layout.pitch)
      const down = (y - from.y) * direction
      if (down <= 0) continue
      const distance = down + 2 * Math.abs(x - from.x)
      if (distance >= least) continue
      least = distance
      nearest = block.start + within
    }
  }
  return nearest
}
