import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import chromium from '@sparticuz/chromium'
import { type Browser, chromium as playwright } from 'playwright-core'

/**
 * Chromium from a path that is set, else the system's, else the one that comes as a package; of its flags none that switch
 * off what is tested.
 */
export async function launchBrowser(): Promise<Browser> {
  const named = process.env.MASKLINE_TEST_CHROMIUM ?? systemChromium()
  if (named) return await playwright.launch({ executablePath: named, args: ['--no-sandbox'] })
  return await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: ['--no-sandbox', '--headless=shell'],
  })
}

function systemChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const names = ['chromium', 'chromium-browser', 'google-chrome']
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(existsSync)
}
