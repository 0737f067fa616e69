import {
  closeSync,
  createWriteStream,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { UsageError } from './output.ts'

/**
 * A file that is there whole or not at all: written beside its name, under `<name>.part`, which only its owner may read,
 * and renamed by `keep` once everything in it is on the disk. What a killed program left of an earlier one is replaced.
 */
export function openTarget(
  path: string,
  existing: 'keep' | 'replace',
): { stream: Writable; keep: () => void; discard: () => void } {
  refuseExisting(path, existing)
  const part = `${path}.part`
  const file = openPart(path, part)
  const isOurs = () => existsSync(part) && statSync(part).ino === fstatSync(file).ino
  let open = true
  const close = () => {
    if (open) closeSync(file)
    open = false
  }
  return {
    stream: createWriteStream(part, { fd: file, autoClose: false }),
    keep() {
      refuseExisting(path, existing)
      if (!isOurs()) throw new UsageError(`Another program has written to ${part} meanwhile: nothing was saved.`)
      fsyncSync(file)
      renameSync(part, path)
      syncFolder(dirname(path))
      close()
    },
    discard() {
      if (open && isOurs()) rmSync(part)
      close()
    },
  }
}

function refuseExisting(path: string, existing: 'keep' | 'replace') {
  if (existing === 'keep' && existsSync(path)) {
    throw new UsageError(`${path} is there already: name another file, or replace it with --overwrite.`)
  }
}

function openPart(path: string, part: string): number {
  try {
    rmSync(part, { force: true })
    return openSync(part, 'wx', 0o600)
  } catch (error) {
    throw new UsageError(`Cannot write ${path}: ${error instanceof Error ? error.message : error}`)
  }
}

/** A name is safe from a power cut once its folder is written; Windows has no such call. */
function syncFolder(path: string) {
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
