import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installNodePackages } from '../conformance/toolchain.ts'
import { loadVendorDocument, type VendorDocument } from '../conformance/vendor-document.ts'
import type { Scope } from '../proof/support/scope.ts'
import { startPrism } from './server.ts'

/**
 * The peer of the REST API: Prism, which answers from the vendor's OpenAPI document without a database. It and the document
 * are fetched when they are needed, each by the lock file of its folder.
 */
const FOLDER = fileURLToPath(new URL('.', import.meta.url))

/** Twice, with the flags that make it fast and without. */
export async function preparePrism(scope: Scope, page: number): Promise<{ fast: number; usual: number }> {
  await installNodePackages(FOLDER)
  await installNodePackages()
  const folder = mkdtempSync(join(tmpdir(), 'maskline-prism-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'document.json')
  writeFileSync(file, JSON.stringify(withFullPage(loadVendorDocument('twilio_proxy_v1'), page)))
  const cli = join(FOLDER, 'node_modules', '@stoplight', 'prism-cli', 'dist', 'index.js')
  const start = async (flags: 'fast' | 'usual') => (await startPrism(scope, { cli, document: file, flags })).port
  return { fast: await start('fast'), usual: await start('usual') }
}

type Examples = { examples?: Record<string, { value: Record<string, unknown> }> }

/** The example of a list is an empty page there; here it has `page` sessions, each the document's example of one. */
export function withFullPage(document: VendorDocument, page: number): VendorDocument {
  const examplesOf = (path: string) => {
    const { content } = document.paths[path]?.get?.responses['200'] ?? {}
    const { examples } = (content?.['application/json'] ?? {}) as Examples
    const [first] = Object.values(examples ?? {})
    if (!first) throw new Error(`The vendor's document has no example for ${path}.`)
    return first.value
  }
  const sessions = '/v1/Services/{ServiceSid}/Sessions'
  const session = examplesOf(`${sessions}/{Sid}`)
  Object.assign(examplesOf(sessions), { sessions: Array.from({ length: page }, () => session) })
  return document
}
