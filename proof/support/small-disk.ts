import { execFileSync } from 'node:child_process'
import { closeSync, fsyncSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from './scope.ts'

/**
 * A disk of its own that can be filled to the last byte and emptied again: a file system in memory. Mounting it takes
 * root on Linux; without it this fails, and says so.
 */
export function mountSmallDisk(scope: Scope, megabytes: number) {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-disk-'))
  scope.after(() => rmdirSync(folder))
  try {
    // Others may enter, because PostgreSQL does not run as root.
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', folder], { stdio: 'pipe' })
  } catch (cause) {
    throw new Error(`A small disk cannot be mounted here: run this as root on Linux. ${cause}`, { cause })
  }
  scope.after(() => execFileSync('umount', ['-l', folder]))
  const ballast = join(folder, 'ballast')
  return {
    folder,
    /** Takes all the space there is. */
    fill() {
      const file = openSync(ballast, 'a')
      try {
        for (const bytes of [1 << 20, 1 << 12]) while (writeWhole(file, Buffer.alloc(bytes)));
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(ballast, { force: true }),
  }
}

function writeWhole(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) === bytes.length
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOSPC') return false
    throw error
  }
}
