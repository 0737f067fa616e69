/**
 * Runs worlds of texts in a process of its own, with the server that lies beside it: the real one, or a copy that was broken
 * on purpose. Its argument is a JSON document, and it sends messages to whoever started it, without whom it ends.
 */
import { type RoundsOptions, runRounds, type TextOutcome } from './text-rounds.ts'

export type ChildMessage = { interactions: number } | { outcome: TextOutcome } | { error: string }

const say = (message: ChildMessage) =>
  new Promise<void>((resolve, reject) =>
    process.send?.(message, (error: Error | null) => (error ? reject(error) : resolve())),
  )

process.on('disconnect', () => process.exit(1))
const options: RoundsOptions = JSON.parse(process.argv[2] ?? '{}')
try {
  await say({ outcome: await runRounds(options, (interactions) => void say({ interactions })) })
} catch (error) {
  await say({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}
process.exit()
