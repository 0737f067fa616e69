/** A message as the handset sees it: `outbound` is what it texted itself. */
export type HandsetMessage = {
  sid: string
  direction: 'inbound' | 'outbound'
  from: string
  to: string
  body: string
  media_urls: string[]
  date: Date
}

/** The handsets of every account, by number. One comes into being with its first message. */
export type Handsets = {
  add(account_sid: string, number: string, message: HandsetMessage): void
  /** The newest comes last. */
  messagesOf(account_sid: string, number: string): readonly HandsetMessage[]
  clear(account_sid: string, number: string): void
  list(account_sid: string): { number: string; messages: number }[]
}

const MAX_MESSAGES = 1000
/** Of one account; beyond it the handset that was quiet for longest is forgotten. */
const MAX_HANDSETS = 100_000

export function createHandsets(): Handsets {
  const accounts = new Map<string, Map<string, HandsetMessage[]>>()
  const find = (account_sid: string, number: string) => accounts.get(account_sid)?.get(number)

  return {
    add(account_sid, number, message) {
      const handsets = accounts.get(account_sid) ?? new Map<string, HandsetMessage[]>()
      accounts.set(account_sid, handsets)
      const messages = handsets.get(number) ?? []
      messages.push(message)
      if (messages.length > MAX_MESSAGES) messages.shift()
      // Put in anew, so that a map's first key is always the one that was quiet for longest.
      handsets.delete(number)
      handsets.set(number, messages)
      forgetOldest(handsets, MAX_HANDSETS)
    },
    messagesOf: (account_sid, number) => find(account_sid, number) ?? [],
    clear(account_sid, number) {
      find(account_sid, number)?.splice(0)
    },
    list: (account_sid) =>
      [...(accounts.get(account_sid) ?? [])].map(([number, messages]) => ({ number, messages: messages.length })),
  }
}

/** A map keeps its keys in the order in which they came. */
export function forgetOldest<V>(map: Map<string, V>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return
    map.delete(key)
  }
}
