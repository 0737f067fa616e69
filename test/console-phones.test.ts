import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { findBarriers, openConsole, tabTo } from './support/console-page.ts'
import { makeService, serverForFile } from './support/proxy-api.ts'

const getServer = serverForFile()
const ALICE = '+1 202 555 0101'
const BOB = '+1 202 555 0102'

const phoneOf = (page: Page, name: string) => page.getByRole('region', { name: `${name}’s phone` })
const textField = (phone: Locator) => phone.getByRole('textbox', { name: 'Text' })
/** What stands on the phone itself, without its owner's number above it. */
const screenOf = async (page: Page, name: string) =>
  (await phoneOf(page, name).innerText()).split('\n').slice(2).join('\n')

let service: Promise<unknown> | undefined

/** The page with phones that nothing has happened on. */
async function openPhones(t: TestContext, looks?: Parameters<typeof openConsole>[2]) {
  const server = await getServer()
  service ??= makeService(server, 4)
  await service
  const opened = await openConsole(t, server, looks)
  await opened.visit('/phones')
  await opened.page.getByRole('button', { name: 'Start over' }).click()
  const dialog = opened.page.getByRole('dialog', { name: 'Start over' })
  await dialog.getByRole('button', { name: 'Start over' }).click()
  await dialog.waitFor({ state: 'detached' })
  return opened
}

async function goThroughTheGuide(page: Page): Promise<void> {
  const guide = page.getByRole('region', { name: 'The first minute' })
  await guide.getByRole('button', { name: 'Create a session' }).click()
  await guide.getByRole('button', { name: 'Write as Alice' }).click()
  await page.keyboard.press('Enter')
  await guide.getByRole('button', { name: 'Reply as Bob' }).click()
  await page.keyboard.press('Enter')
  await guide.getByRole('button', { name: 'Call as Alice' }).click()
  await guide.getByRole('button', { name: 'Answer as Bob' }).click()
  await page.getByRole('heading', { name: 'That is all it takes' }).waitFor()
}

test('in the first minute two people text and talk, and neither sees the number of the other', async (t) => {
  const { page, faults } = await openPhones(t)
  await goThroughTheGuide(page)
  await phoneOf(page, 'Bob').getByRole('button', { name: 'Hang up' }).click()
  for (const name of ['Alice', 'Bob']) {
    await phoneOf(page, name)
      .getByText(/(Outgoing|Incoming) call, 0:\d\d/)
      .waitFor()
    assert.doesNotMatch(await screenOf(page, name), /0101|0102/)
  }
  const story = page.getByRole('list', { name: 'What happened, newest first' })
  await story.getByText('The call was answered').waitFor()
  assert.equal(await story.getByRole('button', { name: /^(Alice|Bob) → (Alice|Bob)/ }).count(), 3)
  assert.deepEqual(await findBarriers(page), [])
  assert.deepEqual(faults, [])

  // A text that goes around Maskline shows what the same look would find.
  const bob = phoneOf(page, 'Bob')
  await bob.getByRole('button', { name: 'All messages' }).click()
  await bob.getByLabel('Another number').fill(ALICE)
  await bob.getByRole('button', { name: 'Open' }).click()
  await textField(bob).fill('This is my own number')
  await page.keyboard.press('Enter')
  const alice = phoneOf(page, 'Alice')
  await alice.getByRole('button', { name: 'All messages' }).click()
  await alice.getByRole('button', { name: BOB }).waitFor()
  assert.match(await screenOf(page, 'Alice'), /0102/)
})

test('a picture, a call that is rejected, and starting over, with the keyboard alone', async (t) => {
  const { page } = await openPhones(t)
  const press = async (name: RegExp) => {
    await tabTo(page, name, 120)
    await page.keyboard.press('Enter')
  }
  await press(/^Start over$/)
  await press(/^Start over$/)
  await press(/^Create a session$/)
  await page.getByRole('button', { name: 'Write as Alice' }).waitFor()
  await press(/^Send a picture$/)
  await press(/^A sample picture$/)
  await page.keyboard.press('Enter')
  await phoneOf(page, 'Bob').getByRole('img', { name: 'Sent here' }).waitFor()
  // The next phone that the keyboard comes to is Bob's.
  await press(/^Call \+1/)
  await phoneOf(page, 'Alice').getByRole('region', { name: 'Incoming call' }).waitFor()
  await press(/^Reject$/)
  await phoneOf(page, 'Alice').getByText('Missed call').waitFor()
  await phoneOf(page, 'Bob').getByText('Call not answered').waitFor()
})

test('where there is room for one phone, the others tell that something came', async (t) => {
  const { page } = await openPhones(t, { width: 390 })
  await page.getByRole('button', { name: 'Create a session' }).click()
  const [alice, bob] = [phoneOf(page, 'Alice'), phoneOf(page, 'Bob')]
  await textField(alice).fill('Are you there?')
  assert.equal(await bob.isVisible(), false)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Bob 1' }).click()
  await bob.getByText('Are you there?').waitFor()
  assert.equal(await alice.isVisible(), false)
  assert.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false)
})
