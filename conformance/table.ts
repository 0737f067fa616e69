import type { Client } from './clients.ts'
import { OPERATIONS, type Outcome } from './operations.ts'
import type { Recording } from './recorder.ts'
import { listOperations, type VendorDocument } from './vendor-document.ts'

/** Everything one client came to, ready to print. */
export type ClientResult = {
  client: string
  version: string
  status: 'ran' | 'missing' | 'not installed'
  /** Why it did not run. */
  reason: string
  cells: Record<string, string>
  exchanges: number
  reached: number
  failures: string[]
}

type Judged = {
  client: Client
  status: ClientResult['status']
  reason: string
  output: { out: string; err: string; status: number | null } | undefined
  recording: Recording | undefined
  document: VendorDocument
}

/** A client has failed when it says so, when it says nothing, and when what it was answered is not what it should be. */
export function judge({ client, status, reason, output, recording, document }: Judged): ClientResult {
  const { outcomes, stray } = parseOutcomes(output?.out ?? '')
  const result: ClientResult = {
    client: client.name,
    version: outcomes[0]?.version ?? '',
    status,
    reason,
    cells: {},
    exchanges: recording?.exchanges ?? 0,
    reached: recording?.operations.size ?? 0,
    failures: status === 'not installed' ? [reason] : [],
  }
  for (const operation of OPERATIONS) {
    const outcome = outcomes.find((each) => each.operation === operation)
    const isAbsent = client.without.includes(operation)
    result.cells[operation] = status !== 'ran' ? status : isAbsent ? 'n/a' : outcome?.ok ? '✓' : '✗'
  }
  if (!output) return result
  const isSilent = (operation: string) =>
    result.cells[operation] === '✗' && !outcomes.some((each) => each.operation === operation)
  const unreached = listOperations(document).filter(({ operationId }) => !recording?.operations.has(operationId))
  const unknown = outcomes.filter(({ operation }) => !(OPERATIONS as readonly string[]).includes(operation))
  result.failures.push(
    ...outcomes.filter(({ ok }) => !ok).map(({ operation, detail }) => `${operation}: ${detail ?? 'no reason given'}`),
    ...stray.map((line) => `printed: ${line}`),
    ...listing('not reported', OPERATIONS.filter(isSilent)),
    ...listing(
      'reported, but not in operations.ts',
      unknown.map(({ operation }) => operation),
    ),
    ...listing(
      'documented, but never answered well',
      unreached.map(({ operationId }) => operationId),
    ),
    ...[...(recording?.violations ?? [])].map(([violation, count]) => `${violation}, ${count}×`),
  )
  const hasSaidWhy = outcomes.some(({ ok }) => !ok)
  if (output.status !== 0 && !hasSaidWhy) result.failures.push(`ended with ${output.status}: ${output.err.trim()}`)
  return result
}

const listing = (what: string, names: string[]) => (names.length > 0 ? [`${what}: ${names.join(', ')}`] : [])

/** Rows are operations, columns are clients, and below them what the recording says. */
export function formatTable(results: ClientResult[], documented: number): string {
  const header = ['', ...results.map(({ client, version }) => `${client} ${version}`.trim())]
  const rows = OPERATIONS.map((operation) => [operation, ...results.map(({ cells }) => cells[operation] ?? '✗')])
  const ran = (result: ClientResult, figure: string) => (result.status === 'ran' ? figure : result.status)
  rows.push(['answers checked', ...results.map((result) => ran(result, String(result.exchanges)))])
  rows.push(['documented calls', ...results.map((result) => ran(result, `${result.reached}/${documented}`))])
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => [...(row[column] ?? '')].length)))
  const line = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(header), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

/** A client's lines; anything else it printed is a failure to say so in. */
export function parseOutcomes(out: string): { outcomes: Outcome[]; stray: string[] } {
  const outcomes: Outcome[] = []
  const stray: string[] = []
  for (const line of out.split('\n').filter(Boolean)) {
    const value = parseLine(line)
    if (value) outcomes.push(value)
    else stray.push(line)
  }
  return { outcomes, stray }
}

function parseLine(line: string): Outcome | undefined {
  try {
    const value = JSON.parse(line) as Outcome
    return typeof value.operation === 'string' && typeof value.ok === 'boolean' ? value : undefined
  } catch {
    return undefined
  }
}
