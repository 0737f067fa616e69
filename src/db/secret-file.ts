import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { errorCode } from './database-error.ts'

/**
 * The text of the secret kept in `path`, made when the file is absent. The file is complete from the moment it exists and
 * is never overwritten, so a crash leaves no half of a secret and two processes that start at once agree on one.
 */
export function readOrMakeSecret(path: string, make: () => string): string {
  if (!existsSync(path)) writeSecret(path, make())
  return readFileSync(path, 'utf8').trim()
}

function writeSecret(path: string, secret: string) {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = openSync(draft, 'wx', 0o600)
  try {
    writeSync(file, `${secret}\n`)
    fsyncSync(file)
    linkSync(draft, path)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  } finally {
    closeSync(file)
    rmSync(draft)
  }
}
