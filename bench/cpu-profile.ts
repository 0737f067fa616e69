import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where the processor time of a server went, from what `node --cpu-prof` writes. */
export type CpuProfile = {
  nodes: { id: number; callFrame: CallFrame; children?: number[] }[]
  samples: number[]
  timeDeltas: number[]
}

type CallFrame = { functionName: string; url: string; lineNumber: number }

/** A function as it was called from where it was called, with its own time and, with that of all it calls, the whole. */
export type Call = { name: string; group: string; own_ms: number; whole_ms: number; calls: Call[] }

const TOP = 12
const LEAST_SHARE = 0.001
const NOT_BUSY = '(idle)'

/** The sums of every profile in a folder, each with a flame graph beside it. */
export function summariseProfiles(folder: string): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
  return files.map((file) => {
    const path = join(folder, file)
    const root = readCalls(JSON.parse(readFileSync(path, 'utf8')) as CpuProfile)
    const flames = path.replace(/cpuprofile$/, 'svg')
    writeFileSync(flames, drawFlames(root))
    return `${presentProfile(root)}\n\n${flames}`
  })
}

export function readCalls({ nodes, samples, timeDeltas }: CpuProfile): Call {
  const own = new Map<number, number>()
  for (const [at, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + (timeDeltas[at] ?? 0) / 1000)
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const read = (id: number, caller: string): Call => {
    const { callFrame, children = [] } = byId.get(id) as CpuProfile['nodes'][number]
    const group = groupOf(callFrame) ?? caller
    const calls = children
      .map((child) => read(child, group))
      .filter(({ name, whole_ms }) => whole_ms > 0 && name !== NOT_BUSY)
    const own_ms = own.get(id) ?? 0
    const whole_ms = calls.reduce((sum, call) => sum + call.whole_ms, own_ms)
    return { name: nameOf(callFrame), group, own_ms, whole_ms, calls }
  }
  const [root] = nodes
  if (!root) throw new Error('The profile is empty.')
  return read(root.id, OUTSIDE)
}

const nameOf = ({ functionName, url, lineNumber }: CallFrame) =>
  functionName || (url ? `${url.split('/').at(-1)}:${lineNumber + 1}` : '(nameless)')

const OUTSIDE = 'V8 and system calls'

/** What belongs together, by where a function stands; first comes what is more particular. */
const GROUPS: [RegExp, string][] = [
  [/node_modules\/(pg|pg-\w+|postgres-\w+)\//, 'pg'],
  [/node_modules\/(fastify|@fastify|find-my-way|avvio|light-my-request|secure-json-parse|fast-\w[\w-]*)\//, 'fastify'],
  [/^node:_http|^node:internal\/http/, 'node http'],
  [/^node:(net|stream|dgram)|^node:internal\/(streams?|net|js_stream|stream_)/, 'node sockets'],
  [/^node:(internal\/)?crypto/, 'node crypto'],
  [/^node:internal\/(modules|vm|fs|url)|^node:fs/, 'node modules and files'],
  [/^node:/, 'node, the rest'],
]

/** What is written in C++ has no place, and belongs to who called it. */
function groupOf({ functionName, url }: CallFrame): string | undefined {
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (functionName === '(program)' || functionName === '(root)') return OUTSIDE
  if (url === '') return undefined
  const [, group] = GROUPS.find(([place]) => place.test(url)) ?? []
  if (group) return group
  const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? []
  if (name) return name
  const [, folder] = /\/dist\/(?:([^/]+)\/)?/.exec(url) ?? []
  return `ours: ${folder ?? 'the rest'}`
}

export function presentProfile(root: Call): string {
  const groups = new Map<string, number>()
  const functions = new Map<string, number>()
  const add = (to: Map<string, number>, name: string, ms: number) => to.set(name, (to.get(name) ?? 0) + ms)
  const visit = ({ name, group, own_ms, calls }: Call) => {
    add(groups, group, own_ms)
    add(functions, `${name} (${group})`, own_ms)
    calls.forEach(visit)
  }
  visit(root)
  const present = (sums: Map<string, number>, most: number) =>
    [...sums]
      .filter(([, ms]) => ms >= LEAST_SHARE * root.whole_ms)
      .sort(([, a], [, b]) => b - a)
      .slice(0, most)
      .map(([name, ms]) => `${`${((100 * ms) / root.whole_ms).toFixed(1)} %`.padStart(7)}  ${name}`)
  const head = `${Math.round(root.whole_ms).toLocaleString('en')} ms at work`
  return [
    head,
    ...present(groups, groups.size),
    '',
    `The ${TOP} functions with most of it`,
    ...present(functions, TOP),
  ].join('\n')
}

const [WIDTH, ROW, LEAST] = [1_600, 16, 0.5]

/** Callers below, what they call above; as wide as their time. */
export function drawFlames(root: Call): string {
  const boxes: string[] = []
  let deepest = 0
  const draw = (call: Call, left: number, depth: number) => {
    const width = (WIDTH * call.whole_ms) / root.whole_ms
    if (width < LEAST) return
    deepest = Math.max(deepest, depth)
    const text = `${call.name} (${call.group}), ${((100 * call.whole_ms) / root.whole_ms).toFixed(1)} %`
    const fits = asXml(text.slice(0, Math.floor(width / 7)))
    const hue = [...call.group].reduce((sum, sign) => (sum * 31 + sign.charCodeAt(0)) % 360, 0)
    const place = `x="${left.toFixed(1)}" y="${-depth * ROW}"`
    boxes.push(
      `<g><title>${asXml(text)}</title><rect ${place} width="${width.toFixed(1)}" height="${ROW - 1}" fill="hsl(${hue} 70% 75%)"/>` +
        `<text ${place} dx="2" dy="11">${fits}</text></g>`,
    )
    for (const child of call.calls.toSorted((a, b) => b.whole_ms - a.whole_ms)) {
      draw(child, left, depth + 1)
      left += (WIDTH * child.whole_ms) / root.whole_ms
    }
  }
  draw(root, 0, 0)
  const view = `0 ${-deepest * ROW} ${WIDTH} ${(deepest + 1) * ROW}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${view}" font-family="monospace" font-size="11">\n${boxes.join('\n')}\n</svg>\n`
}

const asXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
