#!/usr/bin/env node
import { Command } from 'commander'
import { accountStateCommands } from './cli/accounts.ts'
import { accountCommands, carrierCommands, keyCommands, migrateCommand } from './cli/admin.ts'
import { auditCommands } from './cli/audit.ts'
import { backupCommands } from './cli/backup.ts'
import { callbackCommands } from './cli/callbacks.ts'
import { doctorCommand } from './cli/doctor.ts'
import { numberCommands } from './cli/numbers.ts'
import { endQuietly, fail } from './cli/output.ts'
import { privacyCommands } from './cli/privacy.ts'
import { rotationCommands } from './cli/rotation.ts'
import { serveCommands } from './cli/serve.ts'
import { userCommands } from './cli/users.ts'
import { whyCommand } from './cli/why.ts'
import { VERSION } from './version.ts'

const program = new Command('maskline')
  .description('Self-hosted number masking: people text and call each other through proxy numbers.')
  .version(VERSION)
  .showHelpAfterError()
  .addHelpText('after', '\nSettings come from the environment; `maskline serve --help` lists them.')

serveCommands(program)
migrateCommand(program)
backupCommands(program)
accountStateCommands(accountCommands(program))
rotationCommands(keyCommands(program))
userCommands(program)
carrierCommands(program)
numberCommands(program)
auditCommands(program)
callbackCommands(program)
privacyCommands(program)
whyCommand(program)
doctorCommand(program)

endQuietly(process.stdout)
program.parseAsync().catch(fail)
