import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTANTS } from '../proof/s2/mutants.ts'
import { runChild, runMutant } from '../proof/s2/run-child.ts'
import { serverUrl } from '../proof/s2-model.ts'

// The short form of `npm run proof -- S2`, which says what is done here; its seed is told with what it finds.

const seed = Math.floor(Math.random() * 1e9)

test('whatever the order of commands, events and time, the core does what a model of its rules says', async () => {
  const options = { server: serverUrl(), commands: 700, lanes: 4, seed, shrink: true }
  const { anomaly, commands } = await runChild(options)
  assert.equal(anomaly, undefined, anomaly && [`seed ${anomaly.seed}`, anomaly.error, ...anomaly.commands].join('\n'))
  assert.ok(commands >= options.commands)
})

test('the model notices when a rule is broken', async () => {
  const easy = ['the partner is the sender', 'opting out is passed on']
  const broken = MUTANTS.filter(({ name }) => easy.includes(name))
  assert.equal(broken.length, easy.length)
  const options = { server: serverUrl(), commands: 5_000, lanes: 1, seed, shrink: false }
  const outcomes = await Promise.all(broken.map((mutant) => runMutant(mutant, options)))
  for (const [at, { anomaly }] of outcomes.entries()) assert.ok(anomaly, `${broken[at]?.name}, with the seed ${seed}`)
})

test('a mutant whose place in the source is gone is no proof', async () => {
  const gone = { name: 'gone', file: 'src/core/relay.ts', text: 'a text that is nowhere', becomes: '' }
  const options = { server: serverUrl(), commands: 1, lanes: 1, seed, shrink: false }
  await assert.rejects(runMutant(gone, options), /has 0 places/)
})
