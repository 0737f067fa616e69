/**
 * Looks where nothing is, in a process of its own, at the server that lies beside it: the real one, or a copy that was broken
 * on purpose. Writes what it found as a JSON document.
 */
import { lookNowhere } from '../../test/support/nowhere.ts'
import { startServer } from '../../test/support/server.ts'
import { inScope } from '../support/scope.ts'

const outcome = await inScope(async (scope) => await lookNowhere(await startServer(scope)))
process.stdout.write(JSON.stringify(outcome), () => process.exit())
