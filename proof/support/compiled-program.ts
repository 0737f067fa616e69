import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cleanEnv, type Ended, type Env } from '../../test/support/cli.ts'
import { type Break, copyProgram, PROGRAM } from './broken-copy.ts'
import type { Scope } from './scope.ts'

const run = promisify(execFile)

/**
 * The program as the package ships it, compiled in a folder of its own: what starts hundreds of times should not be
 * translated each time. `breaks` are for a control. Types are not checked here.
 */
export async function compileProgram(scope: Scope, breaks: Break[] = []): Promise<string> {
  const folder = copyProgram(scope, breaks)
  const [source, target] = [join(folder, 'src'), join(folder, 'dist')]
  const compiler = join(PROGRAM, 'node_modules', 'typescript', 'bin', 'tsc')
  for (const name of ['tsconfig.json', 'tsconfig.build.json']) copyFileSync(join(PROGRAM, name), join(folder, name))
  await run(process.execPath, [compiler, '-p', join(folder, 'tsconfig.build.json'), '--noCheck'])
  for (const path of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.sql') && !path.endsWith('.json')) continue
    mkdirSync(dirname(join(target, path)), { recursive: true })
    copyFileSync(join(source, path), join(target, path))
  }
  return join(target, 'cli.js')
}

const TOOL_LIMIT_MS = 120_000
const MOST_PRINTED = 1 << 24

/** Runs one of its tools to the end. */
export function runTool(cli: string, args: string[], env: Env): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: cleanEnv(env), timeout: TOOL_LIMIT_MS, maxBuffer: MOST_PRINTED }
    const child = execFile(process.execPath, [cli, ...args], options, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

/** Tells the carrier it has the message, and only then has it stored: the control of whatever says the opposite. */
export const ANSWERS_BEFORE_COMMIT: Break = {
  file: 'http/webhooks.ts',
  passage: `    const { outcome } = await relayMessage(context.store, context.directory, { sid, account_sid }, message)
    if (outcome !== 'duplicate') context.wake('interactions')`,
  becomes: `    void relayMessage(context.store, context.directory, { sid, account_sid }, message).then(() => context.wake('interactions'), () => 0)`,
}
