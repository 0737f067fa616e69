import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

// Writes console/dist/, which the server hands out at /console: before `npm start`, before the tests, and into the package.
// What is there already stays as long as nothing that it is made of has changed.

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'console')
const stamp = join(source, 'dist', 'made-of.txt')

/** Makes it where it is missing or out of date. */
export async function buildConsole(): Promise<void> {
  const madeOf = digest()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === madeOf) return
  process.stderr.write('Building the console …\n')
  await build({ root: source, configFile: join(source, 'vite.config.ts'), logLevel: 'warn' })
  writeFileSync(stamp, madeOf)
}

function digest(): string {
  const hash = createHash('sha256')
  const sources = readdirSync(join(source, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  const others = ['index.html', 'package.json', 'vite.config.ts'].map((name) => join(source, name))
  for (const path of [...others, ...sources, join(root, 'package-lock.json')].sort()) {
    hash.update(`${path.slice(root.length)}\n`).update(readFileSync(path))
  }
  return hash.digest('hex')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildConsole()
