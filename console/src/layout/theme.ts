import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'maskline-theme'
const listeners = new Set<() => void>()

export const readTheme = (): Theme => {
  const kept = localStorage.getItem(KEY)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

/** Shows the theme that was chosen, and remembers it where one is given. */
export function applyTheme(theme: Theme = readTheme()): void {
  localStorage.setItem(KEY, theme)
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  for (const tell of listeners) tell()
}

/** The theme that was chosen, wherever on the page that was done. */
export const useChosenTheme = (): Theme =>
  useSyncExternalStore((tell) => {
    listeners.add(tell)
    return () => listeners.delete(tell)
  }, readTheme)
