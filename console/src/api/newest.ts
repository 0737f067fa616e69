import useSWRInfinite from 'swr/infinite'
import { type ApiError, get } from './http.ts'

type Page = { meta: { previous_page_url: string | null; key: string } }

/**
 * A list of the vendor's API, which has the oldest first, read from its end: `more` reads what is older. `prefix` is that of
 * its SIDs. The page before the greatest SID there could be is the last one.
 */
export function useNewest<Row extends { sid: string }>(path: string | undefined, prefix: string) {
  const { data, error, size, setSize, mutate, isValidating } = useSWRInfinite<Page & Record<string, unknown>, ApiError>(
    (index, previous: Page | null) => {
      if (!path || (index > 0 && !previous?.meta.previous_page_url)) return null
      if (index === 0) return `${path}${path.includes('?') ? '&' : '?'}PageToken=PB${prefix}${'f'.repeat(32)}`
      const { pathname, search } = new URL(previous?.meta.previous_page_url ?? '')
      return pathname + search
    },
    (key: string) => get(key),
    { revalidateFirstPage: false, revalidateOnMount: true },
  )
  const hasMore = Boolean(data?.at(-1)?.meta.previous_page_url)
  return {
    rows: data?.flatMap((page) => [...(page[page.meta.key] as Row[])].reverse()),
    error,
    isLoading: isValidating,
    more: hasMore ? () => setSize(size + 1) : undefined,
    reload: () => mutate(),
  }
}
