import type { Proof } from './proof.ts'
import { PLANTED, TEXT_BREAKS } from './s7/text-breaks.ts'
import { runTexts } from './s7/text-children.ts'
import type { TextOutcome } from './s7/text-rounds.ts'
import { TEXT_PLACES } from './s7/text-taps.ts'
import { copyWithProof } from './support/broken-copy.ts'
import { inScope } from './support/scope.ts'

/**
 * Texts and attachments of every kind, at a stand-in for Twilio and on the simulated network, with an eye on every byte that
 * reaches the partner's side, every error, and everything that is told or kept about a text. Together with the calls, which
 * have the same id, these are the interactions of the promise.
 */
const CONTROL = 500

export const s7Texts: Proof = {
  id: 'S7',
  name: 's7-texts',
  promise: 'no real number reaches the partner, or is in an error, by texts and attachments',
  goal: '0 occurrences',
  sizes: { short: 600, full: 90_000, unit: 'interactions' },
  async run({ size, seed, progress }) {
    const told = (what: string, of: number) => (done: number) => progress(`${what}: ${done} of ${of} interactions`)
    const started = performance.now()
    const measured = await runTexts({ interactions: size, seed, progress: told('looking', size) })
    const rate = Math.round(measured.interactions / ((performance.now() - started) / 1000))
    const planted = Math.min(size, CONTROL)
    const control = await inScope(async (scope) => {
      const root = copyWithProof(scope, TEXT_BREAKS)
      return await runTexts({ interactions: planted, seed, root, progress: told('control', planted) })
    })
    const leaks = leaksOf(measured)
    const unseen = TEXT_PLACES.filter((place) => measured.tallies[place].texts === 0)
    const missed = PLANTED.filter((place) => control.tallies[place].leaks === 0)
    return {
      figure: `${leaks} occurrences in ${measured.interactions} interactions by text`,
      holds: leaks === 0 && unseen.length === 0 && measured.wrong.length === 0 && hasArrived(measured),
      control: {
        figure: `${leaksOf(control)} in ${control.interactions} interactions of a server that leaks`,
        fails: missed.length === 0,
      },
      details: [
        ...describe('looked at', measured),
        `looked at: ${measured.arrived} texts reached the phone they were for, as they were written; ${rate} interactions a second`,
        ...measured.wrong.slice(0, 5).map((problem) => `went wrong: ${problem}`),
        ...describe('control', control),
        ...unseen.map((place) => `there was nothing to look at of ${place}`),
        ...missed.map((place) => `the control planted leaks in ${place} and none was found`),
      ],
    }
  },
}

const leaksOf = ({ tallies }: TextOutcome) => Object.values(tallies).reduce((sum, { leaks }) => sum + leaks, 0)

/** Where nothing arrives, nothing can leak. Many texts are for nobody. */
const hasArrived = ({ arrived, interactions }: TextOutcome) => arrived > interactions / 3

const describe = (title: string, { tallies, counts, examples }: TextOutcome): string[] => [
  ...Object.entries(tallies).map(
    ([place, { texts, bytes, leaks }]) => `${title}: ${place}: ${texts} texts, ${bytes} characters, ${leaks} leaks`,
  ),
  ...[...counts].sort().map(([what, times]) => `${title}: ${what}: ${times}`),
  ...examples.map((example) => `${title}: for example ${example}`),
]
