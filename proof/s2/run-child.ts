import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Outcome } from './check.ts'
import type { ChildLine, ChildOptions } from './child.ts'
import type { Mutant } from './mutants.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Runs the model in a process of its own, against the core that lies under `root`. */
export async function runChild(
  options: ChildOptions,
  { root = ROOT, progress = () => undefined }: { root?: string; progress?: (commands: number) => void } = {},
): Promise<Outcome> {
  const script = join(root, 'proof/s2/child.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(options)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const errors: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  let outcome: Outcome | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    const read: ChildLine = JSON.parse(line)
    progress(read.commands)
    outcome = read.outcome ?? outcome
  }
  const code = await ended
  if (!outcome) throw new Error(`The run of the model ended with ${code}: ${errors.join('').slice(-2000)}`)
  return outcome
}

/** The same against a copy of the core with one rule broken. Throws when the text to be changed is not there exactly once. */
export async function runMutant({ name, file, text, becomes }: Mutant, options: ChildOptions): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-mutant-'))
  try {
    for (const part of ['src', 'proof/s2', 'proof/random.ts', 'package.json', 'tsconfig.json']) {
      cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir')
    const original = readFileSync(join(folder, file), 'utf8')
    const times = original.split(text).length - 1
    if (times !== 1) throw new Error(`${file} has ${times} places that the mutant “${name}” would change`)
    writeFileSync(
      join(folder, file),
      original.replace(text, () => becomes),
    )
    return await runChild(options, { root: folder })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
