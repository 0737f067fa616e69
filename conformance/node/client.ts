/**
 * Everything is checked as the library hands it out: dates as Date, refusals as RestException. What differs from a
 * program written for the vendor is in context.ts.
 */
import { run, services } from './context.ts'
import { checkParticipants } from './participants.ts'
import { checkPhoneNumbers } from './phone-numbers.ts'
import { checkCredentials, checkServices } from './services.ts'
import { checkClosing, checkSessions } from './sessions.ts'

await checkServices()
await checkCredentials()
const service = await services.create({ uniqueName: `${run}-orders` })
try {
  await checkPhoneNumbers(service.sid)
  const session = await checkSessions(service.sid)
  await checkParticipants(service.sid, session)
  await checkClosing(service.sid, session)
} finally {
  await services(service.sid).remove()
}
