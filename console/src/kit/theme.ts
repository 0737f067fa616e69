import { useSyncExternalStore } from 'react'

const dark = matchMedia('(prefers-color-scheme: dark)')

function subscribe(onChange: () => void): () => void {
  const chosen = new MutationObserver(onChange)
  chosen.observe(document.documentElement, { attributeFilter: ['data-theme'] })
  dark.addEventListener('change', onChange)
  return () => {
    chosen.disconnect()
    dark.removeEventListener('change', onChange)
  }
}

/** Light or dark, as it is shown now: for what is drawn and has to be drawn anew. */
export const useTheme = () =>
  useSyncExternalStore(subscribe, () => document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light'))

/** What the variables of `names` stand for within `place` now: a canvas does not know them. */
export function readColours<Name extends string>(place: HTMLElement, names: readonly Name[]): Record<Name, string> {
  const probe = document.createElement('span')
  // What is not shown has colours all the same, and nothing has to be laid out for it.
  probe.hidden = true
  place.append(probe)
  const read = names.map((name) => {
    probe.style.color = `var(--${name})`
    return [name, getComputedStyle(probe).color]
  })
  probe.remove()
  return Object.fromEntries(read)
}
