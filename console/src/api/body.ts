import type { Interaction } from './bodies.ts'

/** What a message says, as far as it may be seen; undefined for calls and where nothing is kept. */
export function bodyOf({ type, data }: Pick<Interaction, 'type' | 'data'>): string | undefined {
  if (type !== 'message') return undefined
  const { body } = JSON.parse(data) as { body?: string }
  return body
}
