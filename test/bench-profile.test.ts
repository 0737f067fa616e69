import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CpuProfile, drawFlames, presentProfile, readCalls } from '../bench/cpu-profile.ts'

const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 6 })

/** A handler of ours that writes to a socket, beside a collector of garbage and a pause. */
const PROFILE: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)', ''), children: [2, 3, 4] },
    { id: 2, callFrame: frame('(idle)', '') },
    { id: 3, callFrame: frame('(garbage collector)', '') },
    { id: 4, callFrame: frame('handle<T>', 'file:///x/dist/http/server.js'), children: [5, 7, 8] },
    { id: 5, callFrame: frame('write', 'node:internal/stream_base_commons'), children: [6] },
    { id: 6, callFrame: frame('writev', '') },
    { id: 7, callFrame: frame('', 'file:///x/node_modules/pg-protocol/dist/parser.js') },
    { id: 8, callFrame: frame('never', 'file:///x/node_modules/@some/thing/index.js') },
  ],
  samples: [2, 3, 4, 5, 6, 6, 7],
  timeDeltas: [900_000, 10_000, 40_000, 10_000, 20_000, 10_000, 10_000],
}

test('the processor time of a profile is summed by what it went to, without the time in which nothing was done', () => {
  const lines = presentProfile(readCalls(PROFILE)).split('\n')
  assert.deepEqual(lines.slice(0, 5), [
    '100 ms at work',
    ' 40.0 %  ours: http',
    ' 40.0 %  node sockets',
    ' 10.0 %  garbage collection',
    ' 10.0 %  pg',
  ])
  assert.ok(lines.includes(' 30.0 %  writev (node sockets)'), 'what has no place belongs to its caller')
  assert.ok(lines.includes(' 10.0 %  parser.js:7 (pg)'))
  assert.doesNotMatch(lines.join(), /idle|never/)
  assert.throws(() => readCalls({ nodes: [], samples: [], timeDeltas: [] }), /empty/)
})

test('a flame graph has a box for each call, over its caller and as wide as its time', () => {
  const svg = drawFlames(readCalls(PROFILE))
  const boxes = [...svg.matchAll(/<title>(\S+) .*?<rect x="([\d.]+)" y="(-?\d+)" width="([\d.]+)"/g)]
  const places = Object.fromEntries(boxes.map(([, name, ...place]) => [name, place.map(Number)]))
  assert.deepEqual(places, {
    '(root)': [0, 0, 1600],
    'handle&lt;T>': [0, -16, 1440],
    write: [0, -32, 640],
    writev: [0, -48, 480],
    'parser.js:7': [640, -32, 160],
    '(garbage': [1440, -16, 160],
  })
})
