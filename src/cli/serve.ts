import type { Command } from 'commander'
import type { Logger } from 'pino'
import { ConfigError, devMasterKey, loadConfig, type Command as Mode, SETTINGS, type Setting } from '../config.ts'
import { hasAccounts } from '../core/accounts.ts'
import { hasUsers } from '../core/users.ts'
import { type DevAccount, devAccount, devLink, seed } from '../dev.ts'
import { createLogger } from '../log.ts'
import { type Running, type ServeOptions, startServer } from '../serve.ts'
import { progressLine } from './output.ts'

export function serveCommands(program: Command): void {
  program
    .command('dev')
    .description('run it here and now: embedded PostgreSQL, simulated phones, an account, a service and ten numbers')
    .addHelpText('after', settingsHelp('dev', ['maskline dev', 'MASKLINE_PORT=9000 maskline dev']))
    .action(runDev)
  program
    .command('serve')
    .description('run it for others: nothing is seeded, and the master key has to be given')
    .addHelpText(
      'after',
      settingsHelp('serve', [
        'MASKLINE_MASTER_KEY_FILE=/run/secrets/maskline DATABASE_URL=postgres://… maskline serve',
      ]),
    )
    .action(runServe)
}

async function runDev() {
  const config = loadConfig('dev')
  if (!config.simulator) throw new ConfigError(['MASKLINE_SIMULATOR: dev is nothing without it: use maskline serve'])
  const log = createLogger(config.log_level)
  const progress = progressLine(process.stderr)
  const masterKey = config.master_key ?? devMasterKey(config.data_dir)
  const account = devAccount(config)
  const prepare: ServeOptions['prepare'] = (store, carriers) => seed(store, carriers, account)
  const server = await startServer(config, masterKey, {
    log,
    progress: progress.step,
    prepare,
    drain_ms: 0,
    is_dev: true,
  })
  progress.done()
  stopOnSignal(server, log)
  console.log(greeting(server.url, account, config.console ? await devLink(server.store) : undefined))
}

async function runServe() {
  const config = loadConfig('serve')
  const log = createLogger(config.log_level)
  if (!config.master_key) throw new ConfigError(['MASKLINE_MASTER_KEY: is missing'])
  const progress = progressLine(process.stderr)
  const server = await startServer(config, config.master_key, { log, progress: progress.step })
  progress.done()
  stopOnSignal(server, log)
  log.info({ url: server.url }, 'ready')
  if (!(await hasAccounts(server.store))) log.info('there is no account yet: `maskline accounts create` makes one')
  if (config.console && !(await hasUsers(server.store))) {
    log.info('there is no user of the console yet: `maskline users add` makes one')
  }
}

/** A Ctrl-C reaches us and whoever started us, who may pass it on: within this time it is the same one. */
const SAME_SIGNAL_MS = 500

/** The first signal stops in good order; an impatient second one at once. */
function stopOnSignal(server: Running, log: Logger) {
  let since: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (since !== undefined && performance.now() - since > SAME_SIGNAL_MS) process.exit(1)
      if (since !== undefined) return
      since = performance.now()
      log.info({ signal }, 'stopping')
      server.stop().then(
        () => process.exit(0),
        (error) => {
          log.error({ err: error }, 'stopping failed')
          process.exit(1)
        },
      )
    })
  }
}

const greeting = (url: string, { sid, auth_token }: DevAccount, link: string | undefined) => `
  Maskline is ready.
${link ? `\n    console      ${link}\n                 signs in once; \`maskline users link dev\` makes another\n` : ''}
    base URL     ${url}
    account SID  ${sid}
    auth token   ${auth_token}

  Two people in a session, each behind a number of their own:

    curl -u ${sid}:${auth_token} ${url}/v1/Services/demo

    SERVICE=$(curl -s -u ${sid}:${auth_token} ${url}/v1/Services/demo | sed 's/.*"sid":"\\(KS[0-9a-f]*\\)".*/\\1/')
    curl -u ${sid}:${auth_token} ${url}/v1/Services/$SERVICE/Sessions \\
      --data-urlencode 'Participants={"Identifier":"+12025550101"}' \\
      --data-urlencode 'Participants={"Identifier":"+12025550102"}'

  Ctrl-C stops it; what it knows stays in the data folder.
`

function settingsHelp(mode: Mode, examples: string[]): string {
  const settings: Setting[] = Object.values(SETTINGS)
  const lines = settings.map((setting) => {
    const fallback = typeof setting.fallback === 'string' && setting.fallback ? ` [${setting.fallback}]` : ''
    const name = setting.secret ? `${setting.name} (or ${setting.name}_FILE)` : setting.name
    return `  ${name}${fallback}\n      ${setting.help}`
  })
  return `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}\n\nSettings of ${mode}:\n${lines.join('\n')}`
}
