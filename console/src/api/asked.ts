import { useSyncExternalStore } from 'react'

/**
 * What is searched for. It may be somebody's number, so it is kept here, and in no address, history or storage; it is gone
 * when the page is left for good, and when somebody signs out.
 */
export type Asked = { query: string; at: number }

let asked: Asked | undefined
const listeners = new Set<() => void>()

function set(next: Asked | undefined): void {
  asked = next
  for (const listener of listeners) listener()
}

export const ask = (query: string): void => set({ query, at: Date.now() })
export const forgetAsked = (): void => set(undefined)

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export const useAsked = (): Asked | undefined => useSyncExternalStore(subscribe, () => asked)
