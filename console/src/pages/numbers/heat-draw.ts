import type { PoolNumber } from '../../api/bodies.ts'
import { readColours } from '../../kit/theme.ts'
import { type Layout, placeIn } from './heat-layout.ts'
import { countryName, figure, levelOf } from './pool.ts'

const COLOURS = [
  ...(['heat-0', 'heat-1', 'heat-2', 'heat-3', 'heat-4', 'heat-5', 'heat-failing'] as const),
  ...(['heat-edge', 'heat-mark', 'heat-mark-on', 'heat-cooling', 'surface', 'ink', 'dim'] as const),
]
type Colours = Record<(typeof COLOURS)[number], string>
type Pen = CanvasRenderingContext2D

type Drawing = { levels: readonly number[]; isShown: (number: PoolNumber) => boolean }

const FAINT = 0.16
const FONT = 'system-ui, sans-serif'

/** Draws the whole map. What does not fit the filter stays, faintly, so that nothing moves while somebody types. */
export function drawMap(canvas: HTMLCanvasElement, layout: Layout, { levels, isShown }: Drawing): void {
  const pen = canvas.getContext('2d')
  const place = canvas.parentElement
  if (!pen || !place) return
  const colours: Colours = readColours(place, COLOURS)
  const scale = Math.min(2, devicePixelRatio)
  canvas.width = Math.round(layout.width * scale)
  canvas.height = Math.round(layout.height * scale)
  pen.scale(scale, scale)
  drawLabels(pen, layout, colours)
  const size = layout.pitch - layout.gap
  for (const block of layout.blocks) {
    block.group.numbers.forEach((number, within) => {
      pen.globalAlpha = isShown(number) ? 1 : FAINT
      const box = { ...placeIn(block, within, layout.pitch), size }
      drawCell(pen, box, number, levelOf(levels, number.live_sessions), colours)
    })
  }
}

function drawLabels(pen: Pen, { headings, blocks, pitch }: Layout, colours: Colours): void {
  pen.textBaseline = 'top'
  for (const { country, count, y } of headings) {
    pen.fillStyle = colours.ink
    pen.font = `600 14px ${FONT}`
    const name = countryName(country)
    pen.fillText(name, 0, y + 2)
    const { width } = pen.measureText(`${name}  `)
    pen.fillStyle = colours.dim
    pen.font = `13px ${FONT}`
    pen.fillText(figure(count), width, y + 3)
  }
  pen.font = `12px ${FONT}`
  pen.fillStyle = colours.dim
  for (const { group, x, y, columns } of blocks) {
    const label = group.area || 'Others'
    const counted = `${label} · ${figure(group.numbers.length)}`
    pen.fillText(pen.measureText(counted).width <= columns * pitch ? counted : label, x, y - 15)
  }
}

type Box = { x: number; y: number; size: number }

function drawCell(pen: Pen, box: Box, number: PoolNumber, level: number, colours: Colours): void {
  const { x, y, size } = box
  const isFailing = number.state === 'failing'
  const isEmpty = level === 0 && !isFailing
  if (isEmpty) {
    pen.fillStyle = colours['heat-edge']
    pen.fillRect(x, y, size, size)
  }
  pen.fillStyle = isFailing ? colours['heat-failing'] : (colours[`heat-${level}` as keyof Colours] ?? '')
  const edge = isEmpty ? 1 : 0
  pen.fillRect(x + edge, y + edge, size - 2 * edge, size - 2 * edge)
  if (isFailing || number.is_reserved) {
    pen.strokeStyle = isFailing || level > 2 ? colours['heat-mark-on'] : colours['heat-mark']
    pen.lineWidth = Math.max(1.5, size / 11)
    if (isFailing) drawCross(pen, box)
    else drawStroke(pen, box)
  }
  if (number.cooling_people > 0) drawCorner(pen, box, colours)
}

function drawStroke(pen: Pen, { x, y, size }: Box): void {
  pen.beginPath()
  pen.moveTo(x + size * 0.15, y + size * 0.85)
  pen.lineTo(x + size * 0.85, y + size * 0.15)
  pen.stroke()
}

function drawCross(pen: Pen, { x, y, size }: Box): void {
  const [near, far] = [size * 0.28, size * 0.72]
  pen.beginPath()
  pen.moveTo(x + near, y + near)
  pen.lineTo(x + far, y + far)
  pen.moveTo(x + far, y + near)
  pen.lineTo(x + near, y + far)
  pen.stroke()
}

function drawCorner(pen: Pen, { x, y, size }: Box, colours: Colours): void {
  const side = Math.max(4, Math.round(size * 0.3))
  pen.fillStyle = colours.surface
  pen.fillRect(x + size - side - 1, y + size - side - 1, side + 1, side + 1)
  pen.fillStyle = colours['heat-cooling']
  pen.fillRect(x + size - side, y + size - side, side, side)
}
