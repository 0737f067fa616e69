/**
 * Looks where nothing is, in a process of its own, at the server that lies beside it: the real one, or a copy that was broken
 * on purpose. Writes what it found as a JSON document.
 */
import { lookNowhere, type Outcome } from '../../test/support/nowhere.ts'
import { startServer } from '../../test/support/server.ts'
import { inScope } from '../support/scope.ts'

let outcome: Outcome | undefined
await inScope(async (scope) => {
  outcome = await lookNowhere(await startServer(scope))
}).catch((error) => {
  // A broken server may also answer what its own description does not say; what was found counts.
  if (!outcome) throw error
})
process.stdout.write(JSON.stringify(outcome), () => process.exit())
