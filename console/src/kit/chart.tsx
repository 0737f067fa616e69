import { useEffect, useRef } from 'react'
import type UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import s from './kit.module.css'
import { readColours, useTheme } from './theme.ts'

const COLOURS = ['accent', 'warn', 'dim', 'line'] as const

export type Line = { name: string; values: (number | null)[]; colour: 'accent' | 'warn'; dashed?: boolean }

const HEIGHT = 220

/** Lines over time, in steps. `summary` says in words what they show. */
export function Chart({ times, lines, summary }: { times: number[]; lines: Line[]; summary: string }) {
  const place = useRef<HTMLDivElement>(null)
  const theme = useTheme()
  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours
  useEffect(() => {
    const box = place.current
    if (!box) return
    let plot: UPlot | undefined
    let isGone = false
    const observer = new ResizeObserver(() => plot?.setSize({ width: box.clientWidth, height: HEIGHT }))
    // What draws it comes only where something is to be drawn.
    import('uplot').then(({ default: Plot }) => {
      if (isGone) return
      const stepped = Plot.paths.stepped?.({ align: 1 })
      plot = new Plot(optionsOf(box, lines, stepped), [times, ...lines.map(({ values }) => values)], box)
      observer.observe(box)
    })
    return () => {
      isGone = true
      observer.disconnect()
      plot?.destroy()
    }
  }, [times, lines, theme])
  return (
    <figure className={s.chart}>
      <figcaption>
        {lines.map(({ name, colour, dashed }) => (
          <span key={name}>
            <i data-colour={colour} data-dashed={dashed || undefined} /> {name}
          </span>
        ))}
      </figcaption>
      <div ref={place} role="img" aria-label={summary} style={{ minHeight: HEIGHT }} />
      <p className={s.dim}>{summary}</p>
    </figure>
  )
}

function optionsOf(box: HTMLElement, lines: Line[], stepped: UPlot.Series.PathBuilder | undefined): UPlot.Options {
  const colours = readColours(box, COLOURS)
  const axis: UPlot.Axis = {
    stroke: colours.dim,
    grid: { stroke: colours.line, width: 1 },
    ticks: { stroke: colours.line, width: 1 },
    font: '12px system-ui, sans-serif',
  }
  return {
    width: box.clientWidth,
    height: HEIGHT,
    padding: [12, 24, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, Math.ceil(most * 1.1))] } },
    axes: [
      { ...axis, space: 80, values: (_plot, times) => times.map(sayTime) },
      { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] },
    ],
    series: [
      {},
      ...lines.map(({ name, colour, dashed }) => ({
        label: name,
        stroke: colours[colour],
        width: 2,
        points: { show: false },
        ...(dashed && { dash: [6, 4] }),
        ...(stepped && { paths: stepped }),
      })),
    ],
  }
}

const days = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' })
const hours = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })

function sayTime(seconds: number): string {
  const date = new Date(seconds * 1_000)
  return date.getHours() + date.getMinutes() === 0 ? days.format(date) : hours.format(date)
}
