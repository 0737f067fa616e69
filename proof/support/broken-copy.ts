import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Scope } from './scope.ts'

export const PROGRAM = fileURLToPath(new URL('../..', import.meta.url))

/** A passage of a file in `src`, and what stands there in the copy. */
export type Break = { file: string; passage: string; becomes: string }

/**
 * A copy of the program with passages replaced: what a control measures. A passage that is not there exactly once was
 * rewritten since, and then the control would break nothing.
 */
export function copyProgram(scope: Scope, breaks: Break[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-broken-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(join(PROGRAM, 'src'), join(folder, 'src'), { recursive: true })
  cpSync(join(PROGRAM, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(PROGRAM, 'node_modules'), join(folder, 'node_modules'))
  for (const { file, passage, becomes } of breaks) {
    const path = join(folder, 'src', file)
    const [before, after, ...more] = readFileSync(path, 'utf8').split(passage)
    if (before === undefined || after === undefined || more.length > 0) {
      throw new Error(`src/${file} has not exactly one of these, so the control cannot break it:\n${passage}`)
    }
    writeFileSync(path, before + becomes + after)
  }
  return folder
}

/** The program with what measures it, to be run with passages of it replaced. */
export function copyWithProof(scope: Scope, breaks: Break[]): string {
  const root = copyProgram(scope, breaks)
  for (const part of ['proof', 'test/support', 'tsconfig.json']) {
    cpSync(join(PROGRAM, part), join(root, part), { recursive: true })
  }
  return root
}

/** Which program a server is to run: the real one, or for a control a copy. */
export const programWith = (scope: Scope, breaks: Break[] | undefined): { folder?: string } =>
  breaks ? { folder: copyProgram(scope, breaks) } : {}
