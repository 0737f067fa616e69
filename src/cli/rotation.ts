import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { Command } from 'commander'
import { SETTINGS } from '../config.ts'
import { readDataKeys, rotateDataKey, rotateMasterKey } from '../core/keys.ts'
import { JSON_OPTION, secretText } from './admin.ts'
import { print, UsageError } from './output.ts'
import { openTarget } from './whole-file.ts'
import { withStore } from './with-store.ts'

/** `maskline keys …` for the keys of the server itself. */
export function rotationCommands(keys: Command): void {
  keys
    .command('status')
    .description('which master key opens this database, and the data keys it wraps')
    .option(...JSON_OPTION)
    .action((options: { json?: boolean }) =>
      withStore(async (store) => {
        const row = (key: Awaited<ReturnType<typeof readDataKeys>>[number]) => ({
          data_key: key.id,
          purpose: key.purpose,
          active_from: key.active_from.toISOString(),
          master_key: key.master_key_id,
          wrapped: key.date_wrapped.toISOString(),
        })
        print((await readDataKeys(store.db)).map(row), options)
      }),
    )
  keys
    .command('rotate-master')
    .description('wrap the data keys under another master key, beside running servers')
    .option('--new-key <key>', 'the new key, @path for a file')
    .option('--write-key <path>', 'make the new key and write it to this file, which must not be there yet')
    .addHelpText(
      'after',
      '\nWithout either, the new key is that of MASKLINE_MASTER_KEY_NEXT. Servers that run go on as they are; one that\n' +
        'starts afterwards needs the new key. When in doubt whether it was done, do it again with --new-key @path.\n' +
        '\nExamples:\n  maskline keys rotate-master --write-key /run/secrets/maskline.new\n' +
        '  maskline keys rotate-master --new-key @/run/secrets/maskline.new',
    )
    .action(moveToMasterKey)
  keys
    .command('rotate-data')
    .description('make another key to seal with; all servers use it half a minute later')
    .action(() =>
      withStore(async (store, masterKeys) => {
        const { id, active_from } = await rotateDataKey(store, masterKeys)
        console.log(`From ${active_from.toISOString()} on data key ${id} seals. What others sealed stays readable.`)
      }),
    )
}

async function moveToMasterKey({ newKey, writeKey }: { newKey?: string; writeKey?: string }) {
  if (newKey && writeKey) throw new UsageError('Give --new-key or --write-key, not both.')
  const given = newKey ? parseNewKey(newKey) : undefined
  if (writeKey) refuseThere(writeKey)
  await withStore(
    async (store, masterKeys) => {
      const next = writeKey ? await writeNewKey(writeKey) : masterKeys[1]
      if (!next) throw new UsageError('Give the new key: --new-key, --write-key or MASKLINE_MASTER_KEY_NEXT.')
      try {
        const { outcome, master_key_id, date_wrapped } = await rotateMasterKey(store, masterKeys, next)
        const moved =
          outcome === 'moved' ? 'The database was moved' : 'Nothing was done: the database was moved before,'
        console.log(`${moved} to master key ${master_key_id} on ${date_wrapped.toISOString()}.`)
        console.log(
          'Give it to all servers before they start again (of `dev`: put it into master.key of the data folder).',
        )
        console.log('Keep the old one with the backups made until now: nothing else opens them.')
      } catch (error) {
        if (writeKey)
          console.error(`Keep ${writeKey}, and when this can be put right go on with: --new-key @${writeKey}`)
        throw error
      }
    },
    { next: given },
  )
}

function parseNewKey(text: string): Buffer {
  const key = secretText(text)
  try {
    return SETTINGS.master_key.parse(key)
  } catch (error) {
    throw new UsageError(`What --new-key names ${error instanceof Error ? error.message : error}`)
  }
}

function refuseThere(path: string) {
  if (existsSync(path)) throw new UsageError(`${path} is there already. To move to the key in it: --new-key @${path}`)
}

/** On the disk before the database is moved: whenever the program dies, the key it moved to is known. */
async function writeNewKey(path: string): Promise<Buffer> {
  const key = randomBytes(32)
  const target = openTarget(path, 'keep')
  try {
    target.stream.end(`${key.toString('hex')}\n`)
    await finished(target.stream)
    target.keep()
  } finally {
    target.discard()
  }
  return key
}
