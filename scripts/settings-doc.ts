import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SETTINGS, type Setting } from '../src/config.ts'

// Writes the table of settings in docs/operating.md: `npx tsx scripts/settings-doc.ts`. A test fails when it was forgotten.

const [BEGIN, END] = ['<!-- settings -->', '<!-- end of settings -->']

/** The document with its table as `SETTINGS` says now. */
export function withSettings(document: string): string {
  const [before, rest] = document.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`The document lacks ${BEGIN} or ${END}.`)
  return `${before}${BEGIN}\n${settingsTable()}\n${END}${after}`
}

function settingsTable(): string {
  const settings: Setting[] = Object.values(SETTINGS)
  const row = (setting: Setting) =>
    `| \`${setting.name}\`${setting.secret ? ' 🔑' : ''} | ${defaultOf(setting)} | ${setting.help.replaceAll('|', '\\|')} |`
  return ['| Setting | Default | Meaning |', '|---|---|---|', ...settings.map(row)].join('\n')
}

function defaultOf({ fallback }: Setting): string {
  const quoted = (text: string) => (text === '' ? 'none' : `\`${text}\``)
  if (typeof fallback !== 'function') return fallback === undefined ? '' : quoted(fallback)
  const [dev, serve] = [quoted(fallback('dev', textOf)), quoted(fallback('serve', textOf))]
  return dev === serve ? dev : `dev: ${dev}, serve: ${serve}`
}

const textOf = (name: string): string => {
  const setting = Object.values(SETTINGS).find((each: Setting) => each.name === name) as Setting | undefined
  return typeof setting?.fallback === 'string' ? setting.fallback : ''
}

const path = fileURLToPath(new URL('../docs/operating.md', import.meta.url))
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, withSettings(readFileSync(path, 'utf8')))
