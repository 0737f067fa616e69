import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PROGRAM } from '../proof/support/broken-copy.ts'
import { compileProgram } from '../proof/support/compiled-program.ts'
import type { Scope } from '../proof/support/scope.ts'

/** What runs in a process of its own is compiled, ours and the peers' alike: nothing is translated while it is measured. */
export type Programs = {
  /** The server. */
  cli: string
  /** One of `bench/programs`. */
  of: (name: string) => string
}

const run = promisify(execFile)

export async function compilePrograms(scope: Scope): Promise<Programs> {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-bench-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(join(PROGRAM, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  const out = join(folder, 'compiled')
  const config = {
    extends: join(PROGRAM, 'tsconfig.json'),
    compilerOptions: { noEmit: false, rootDir: PROGRAM, outDir: out },
    include: [join(PROGRAM, 'bench', 'programs')],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const compiler = join(PROGRAM, 'node_modules', 'typescript', 'bin', 'tsc')
  await run(process.execPath, [compiler, '-p', join(folder, 'tsconfig.json'), '--noCheck'])
  const cli = await compileProgram(scope)
  return { cli, of: (name) => join(out, 'bench', 'programs', `${name}.js`) }
}
