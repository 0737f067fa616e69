import {
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import type { PoolNumber } from '../../api/bodies.ts'
import { Badge } from '../../kit/button.tsx'
import { useTheme } from '../../kit/theme.ts'
import { drawMap } from './heat-draw.ts'
import { cellAt, type Layout, layOut, placeOf, step } from './heat-layout.ts'
import s from './numbers.module.css'
import { factsOf, fits, many, type PoolFilter, type PoolRead, STATES } from './pool.ts'

type Asked = { pool: PoolRead; filter: PoolFilter; onOpen: (number: PoolNumber) => void }

/** Every number of the pool as a cell. Arrow keys walk it, Enter or a click opens a number. */
export function HeatMap({ pool, filter, onOpen }: Asked) {
  const place = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const width = useWidth(place)
  const [at, setAt] = useState<number>()
  const walked = useRef(0)
  const layout = useMemo(() => layOut(width > 0 ? pool.groups : [], width), [pool, width])
  useDrawn(canvas, layout, pool, filter)
  const pointed = at === undefined ? undefined : layout.cells[at]

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const from = at ?? 0
    const to = event.key === 'Enter' ? from : step(layout, from, event.key)
    if (to === undefined) return
    event.preventDefault()
    walked.current = to
    setAt(to)
    if (event.key === 'Enter' && layout.cells[from]) onOpen(layout.cells[from])
  }
  const under = ({ nativeEvent }: MouseEvent | PointerEvent) => cellAt(layout, nativeEvent.offsetX, nativeEvent.offsetY)
  // A finger has left the map by the time it is a click.
  const onClick = (event: MouseEvent) => {
    const clicked = layout.cells[under(event) ?? -1]
    if (clicked) onOpen(clicked)
  }
  return (
    <div
      ref={place}
      className={s.map}
      role="application"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard walks within it
      tabIndex={0}
      aria-roledescription="map of numbers"
      aria-label={`The pool's ${many(pool.numbers.length, 'number')}. Arrow keys walk from number to number, Enter opens one. The table shows the same.`}
      onKeyDown={onKeyDown}
      onFocus={() => setAt((before) => before ?? Math.min(walked.current, layout.cells.length - 1))}
      onBlur={() => setAt(undefined)}
      onPointerMove={(event) => setAt(under(event))}
      onPointerLeave={() => setAt(undefined)}
      onPointerDown={(event) => setAt(under(event))}
      onClick={onClick}
    >
      <canvas
        ref={canvas}
        style={{ width: layout.width, height: layout.height, cursor: pointed ? 'pointer' : 'default' }}
      />
      <p className={s.unseen} role="status">
        {pointed && document.activeElement === place.current ? factsOf(pointed) : ''}
      </p>
      {at !== undefined && pointed && <Pointed layout={layout} at={at} number={pointed} />}
    </div>
  )
}

function useWidth(place: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const box = place.current
    if (!box) return
    const measure = () => setWidth(box.clientWidth)
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(box)
    return () => observer.disconnect()
  }, [place])
  return width
}

/** Draws, and tells the browser's own record how long it took from the data to the pixels. */
function useDrawn(
  canvas: { current: HTMLCanvasElement | null },
  layout: Layout,
  { began, levels }: PoolRead,
  filter: PoolFilter,
): void {
  const theme = useTheme()
  const measured = useRef(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours
  useLayoutEffect(() => {
    if (canvas.current && layout.width > 0) drawMap(canvas.current, layout, { levels, isShown: fits(filter) })
  }, [canvas, layout, levels, filter, theme])
  useEffect(() => {
    if (layout.width === 0 || measured.current === began) return
    measured.current = began
    // What runs after the next frame runs when the pixels are there.
    requestAnimationFrame(() =>
      setTimeout(() => {
        performance.clearMeasures('pool-heat-map')
        performance.measure('pool-heat-map', { start: began, detail: { numbers: layout.cells.length } })
      }),
    )
  }, [layout, began])
}

/** The frame around a cell, and what there is to say of it. */
function Pointed({ layout, at, number }: { layout: Layout; at: number; number: PoolNumber }) {
  const frame = useRef<HTMLDivElement>(null)
  const { x, y } = placeOf(layout, at)
  const size = layout.pitch - layout.gap
  // biome-ignore lint/correctness/useExhaustiveDependencies: it runs whenever another cell is pointed at
  useEffect(() => {
    if (document.activeElement === frame.current?.closest('[role=application]')) {
      frame.current?.scrollIntoView({ block: 'nearest' })
    }
  }, [at])
  const isLeft = x < layout.width / 2
  const side = isLeft ? { left: x } : { right: layout.width - x - size }
  const { name, tone } = STATES[number.state]
  return (
    <div aria-hidden="true">
      <div ref={frame} className={s.frame} style={{ left: x, top: y, width: size, height: size }} />
      <div className={s.tip} style={{ ...side, top: y + size + 8 }}>
        <strong>{number.phone_number}</strong>
        <Badge tone={tone}>{name}</Badge>
        <dl>
          <dt>Live sessions</dt>
          <dd>{number.live_sessions}</dd>
          <dt>Cooling for</dt>
          <dd>{many(number.cooling_people, 'person', 'people')}</dd>
          <dt>Sent, 24 h</dt>
          <dd>{number.sent_24h}</dd>
          <dt>Failed, 24 h</dt>
          <dd>{number.failed_24h}</dd>
        </dl>
      </div>
    </div>
  )
}
