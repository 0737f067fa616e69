import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { withSettings } from '../scripts/settings-doc.ts'

const document = readFileSync(new URL('../docs/operating.md', import.meta.url), 'utf8')

test('docs/operating.md lists the settings as the program has them', () => {
  assert.equal(document, withSettings(document), 'run `npx tsx scripts/settings-doc.ts`')
  assert.match(document, /^\| `MASKLINE_PORT` \| `8080` \|/m)
  assert.match(document, /^\| `MASKLINE_PUBLIC_URL` \| `http:\/\/127\.0\.0\.1:8080` \|/m)
  assert.match(document, /^\| `MASKLINE_SIMULATOR` \| dev: `true`, serve: `false` \|/m)

  const outdated = document.replace('`8080`', '`80`')
  assert.notEqual(outdated, withSettings(outdated), 'a table that says something else is noticed')
})
