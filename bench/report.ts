import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Result } from './benchmark.ts'
import type { Figure } from './figures.ts'

/** What a run ends with: a table for whoever ran it, and the one in docs/benchmarks.md. */
export type Run = {
  date: string
  commit: string
  machine: { processor: string; cores: number; memory_gb: number; node: string; postgres: string }
  data: { sessions: number; interactions: number; pool: number; seed: number }
  rounds: number
  results: Result[]
}

const [BEGIN, END] = ['<!-- benchmarks -->', '<!-- end of benchmarks -->']
const root = fileURLToPath(new URL('..', import.meta.url))

export const describeMachine = (postgres: string): Run['machine'] => ({
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memory_gb: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  postgres,
})

export function findCommit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    return `${git('rev-parse', '--short=10', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' and changes'}`
  } catch {
    return 'unknown'
  }
}

export function presentTable(results: Result[]): string {
  const head = ['benchmark', 'ours', 'peer', 'ratio (min–max)', 'goal', '']
  const rows = results.map((result) => {
    const { name, goal, unit } = result
    if (result.broken !== undefined) return [name, '', '', '', presentGoal(goal), 'BROKEN']
    const { ours, other, ratio, met } = result
    const figures = [`${presentNumber(ours.median)} ${unit}`, `${presentNumber(other.median)} ${unit}`]
    return [name, ...figures, presentRange(ratio), presentGoal(goal), presentVerdict(met)]
  })
  const widths = head.map((_title, at) => Math.max(...[head, ...rows].map((row) => row[at]?.length ?? 0)))
  return [head, ...rows]
    .map((row) =>
      row
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** The document with the figures of this run between its marks. */
export function withRun(document: string, run: Run): string {
  const [before, rest, ...more] = document.split(BEGIN)
  const [inside, after, ...others] = rest?.split(END) ?? []
  if (before === undefined || inside === undefined || after === undefined || more.length + others.length > 0) {
    throw new Error(`The document has not exactly one ${BEGIN} with one ${END} after it.`)
  }
  return `${before}${BEGIN}\n${presentDocument(run)}\n${END}${after}`
}

function presentDocument({ date, commit, machine, data, rounds, results }: Run): string {
  const { processor, cores, memory_gb, node, postgres } = machine
  const count = (number: number) => number.toLocaleString('en')
  const rows = results.map((result) => {
    if (result.broken !== undefined) throw new Error(`${result.name} is broken, so this run is not for the document.`)
    const { title, unit, ours, peer, other, ratio, goal, met } = result
    const figure = (of: Figure) => `${presentRange(of)} ${unit}`
    return `| ${title} | ${figure(ours)} | ${peer}: ${figure(other)} | **${presentRange(ratio)}** | ${presentGoal(goal)} | ${met === false ? '**not met**' : presentVerdict(met)} |`
  })
  return [
    `Measured on ${date} at ${commit}: ${cores} × ${processor}, ${memory_gb} GB, Node ${node.slice(1)}, PostgreSQL ${postgres}.`,
    `${count(data.sessions)} open sessions, ${count(data.interactions)} interactions, ${count(data.pool)} numbers,`,
    `seed ${data.seed}. Medians of ${rounds} rounds, with the least and the most.`,
    '',
    '| | ours | peer | ours : peer | goal | |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

const presentGoal = (goal: Result['goal']) => (goal ? `${goal.ratio === 'at least' ? '≥' : '≤'} ${goal.of}` : '')

const presentVerdict = (met: boolean | undefined) => (met === undefined ? '' : met ? 'met' : 'not met')

const presentRange = ({ median, min, max }: Figure) =>
  `${presentNumber(median)} (${presentNumber(min)}–${presentNumber(max)})`

/** Three digits, and all of those before the point. */
export function presentNumber(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(value >= 10 ? 1 : 2)
}
