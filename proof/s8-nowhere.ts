import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Outcome } from '../test/support/nowhere.ts'
import type { Proof } from './proof.ts'
import { BREAKS } from './s8/breaks.ts'
import { copyWithProof, PROGRAM } from './support/broken-copy.ts'
import { inScope } from './support/scope.ts'

/**
 * Whoever asks for what is another's, in another place, gone or malformed is told what everybody is told where nothing is,
 * to the byte; whoever may not ask is told that and no more; and no row changes. By every operation of the OpenAPI document,
 * so there is one size only.
 */
export const s8Nowhere: Proof = {
  id: 'S8',
  name: 's8-nowhere',
  promise: 'what is not the caller’s cannot be told apart from what is not there, by any operation',
  goal: '0 answers that differ, 0 rows that change, 0 operations left out',
  sizes: { short: 1, full: 1, unit: 'pass over all operations' },
  async run({ progress }) {
    const measured = await look(PROGRAM)
    progress('control')
    const control = await inScope((scope) => look(copyWithProof(scope, BREAKS)))
    const missed = BREAKS.filter(({ shows }) => !control.findings.some(shows))
    return {
      figure: describe(measured),
      holds: measured.asked > 0 && measured.findings.length === 0 && measured.left.length === 0,
      control: {
        figure: `${control.findings.length} of ${control.asked} with ${BREAKS.length} filters taken away`,
        fails: missed.length === 0,
      },
      details: [
        ...measured.left.map((left) => `not asked: ${left}`),
        ...measured.findings.slice(0, 20).map((finding) => JSON.stringify(finding)),
        ...missed.map(({ what }) => `the control shows ${what}, and nothing was found`),
      ],
    }
  },
}

const describe = ({ asked, findings, left }: Outcome) =>
  `${findings.length} differences in ${asked} answers, ${left.length} operations left out`

async function look(root: string): Promise<Outcome> {
  const args = ['--import', 'tsx', join(root, 'proof/s8/child.ts')]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  return JSON.parse(stdout)
}
