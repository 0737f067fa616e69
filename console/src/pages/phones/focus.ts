import { type RefObject, useEffect, useRef } from 'react'

/**
 * Who uses the keyboard goes on within `place` when what had the focus is gone with a change of `screen`: at what is marked
 * with `data-first`.
 */
export function useFocusKept(place: RefObject<HTMLElement | null>, screen: string | undefined): void {
  const had = useRef(false)
  useEffect(() => {
    const onFocus = ({ target }: FocusEvent) => {
      had.current = target instanceof Node && Boolean(place.current?.contains(target))
    }
    document.addEventListener('focusin', onFocus)
    return () => document.removeEventListener('focusin', onFocus)
  }, [place])
  // biome-ignore lint/correctness/useExhaustiveDependencies: it runs whenever another screen is shown
  useEffect(() => {
    if (!had.current || document.activeElement !== document.body) return
    place.current?.querySelector<HTMLElement>('[data-first]:not([inert] *)')?.focus()
  }, [place, screen])
}
