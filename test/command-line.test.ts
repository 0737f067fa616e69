import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const run = (program: string, ...args: string[]) =>
  new Promise<{ code: unknown; stderr: string }>((resolve) => {
    const path = fileURLToPath(new URL(`../${program}/run.ts`, import.meta.url))
    const command = ['--import', import.meta.resolve('tsx'), path, ...args]
    execFile(process.execPath, command, (error, _stdout, stderr) => resolve({ code: error?.code ?? 0, stderr }))
  })

test('the proofs, the benchmarks and the conformance run say in one line what they were called wrongly with', async () => {
  const wrong: [string[], string][] = [
    [['proof', '--nonsense'], "Unknown option '--nonsense'."],
    [['proof', '--size'], "Option '--size <value>' argument missing."],
    [['proof', 'S99'], 'There is no proof S99.'],
    [['bench', '--nonsense'], "Unknown option '--nonsense'."],
    [['bench', '--rounds', 'many'], 'Give --rounds a whole number.'],
    [['conformance', 'node'], "Unexpected argument 'node'."],
    [['conformance', '--only', 'abacus'], 'There is no client abacus.'],
  ]
  for (const [[program = '', ...args], problem] of wrong) {
    const { code, stderr } = await run(program, ...args)
    assert.deepEqual([code, stderr], [2, `${problem} See npm run ${program} -- --help.\n`])
  }
  assert.equal((await run('proof', '--help')).code, 0)
})
