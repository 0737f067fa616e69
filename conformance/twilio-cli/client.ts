/**
 * The npm package `twilio-cli`. It takes no base URL, so nothing of it changes: namespace.sh makes proxy.twilio.com this
 * machine, and front.ts answers there under a certificate of a test CA. It prints a refusal's body as it came and ends
 * with the first two digits of the code.
 */
import { rmSync } from 'node:fs'
import { cli, home, run } from './context.ts'
import { checkParticipants } from './participants.ts'
import { checkPhoneNumbers, checkServices } from './services.ts'
import { checkClosing, checkSessions } from './sessions.ts'

try {
  await checkServices()
  const parent = { 'service-sid': (await cli.one('services:create', { 'unique-name': `${run}-orders` })).sid }
  await checkPhoneNumbers(parent)
  const session = await checkSessions(parent)
  await checkParticipants({ ...parent, 'session-sid': session })
  await checkClosing(parent, session)
  await cli.remove('services', { sid: parent['service-sid'] })
} finally {
  rmSync(home, { recursive: true, force: true })
}
