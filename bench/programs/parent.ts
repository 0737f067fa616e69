/**
 * The other end of `bench/child.ts`: `start` is given the options and says what the parent has to know, `commands` are what
 * it may ask for then. The process ends when its parent is gone, however that happened.
 */
export type Commands = Record<string, (parameters: never) => unknown>

type Request = { id: number; command: string; parameters: never }

export function servedBy<Options>(start: (options: Options) => Promise<{ ready: object; commands: Commands }>): void {
  let commands: Commands = {
    start: async (options: never) => {
      const started = await start(options)
      commands = started.commands
      return started.ready
    },
  }
  process.on('disconnect', () => process.exit())
  process.on('message', async ({ id, command, parameters }: Request) => {
    try {
      const answer = await commands[command]?.(parameters)
      process.send?.({ id, answer })
    } catch (error) {
      process.send?.({ id, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
}
