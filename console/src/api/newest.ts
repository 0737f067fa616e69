import useSWRInfinite from 'swr/infinite'
import { type ApiError, get } from './http.ts'

type Page = { meta: { previous_page_url: string | null; key: string } }

/**
 * Reads a list from its end: lists are served oldest first, and people look at what is new. A page before the last SID that
 * could be is the last page, and the one before it follows. Gives what `useList` gives.
 */
export function useNewest<Row>(path: string | undefined, prefix: string) {
  const { data, error, size, setSize, mutate, isValidating } = useSWRInfinite<Page & Record<string, unknown>, ApiError>(
    (index, previous: Page | null) => {
      if (!path || (index > 0 && !previous?.meta.previous_page_url)) return null
      if (index > 0) return pathOf(previous?.meta.previous_page_url ?? '')
      return `${path}${path.includes('?') ? '&' : '?'}PageToken=PB${prefix}${'f'.repeat(32)}`
    },
    (key: string) => get(key),
    { revalidateFirstPage: false },
  )
  const rows = data?.flatMap((page) => (page[page.meta.key] as Row[]).toReversed())
  const hasMore = Boolean(data?.at(-1)?.meta.previous_page_url)
  return {
    rows,
    error,
    isLoading: isValidating,
    more: hasMore ? () => setSize(size + 1) : undefined,
    reload: () => mutate(),
  }
}

const pathOf = (url: string) => {
  const { pathname, search } = new URL(url)
  return pathname + search
}
