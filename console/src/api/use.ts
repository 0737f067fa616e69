import { useCallback, useEffect, useState } from 'react'
import useSWR, { type KeyedMutator } from 'swr'
import useSWRInfinite from 'swr/infinite'
import { type ApiError, get } from './http.ts'

export type Loaded<Body> = { data: Body | undefined; error: ApiError | undefined; reload: KeyedMutator<Body> }

/** Reads a path and keeps what was read; `undefined` as the path reads nothing yet. */
export function useGet<Body>(path: string | undefined): Loaded<Body> {
  const { data, error, mutate } = useSWR<Body, ApiError>(path ?? null, (key: string) => get<Body>(key))
  return { data, error, reload: mutate }
}

/** Acts every so often as long as somebody looks: for what no stream tells. */
export function useEvery(ms: number, act: () => unknown): void {
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && act(), ms)
    return () => clearInterval(timer)
  }, [ms, act])
}

type Page = { meta: { next_page_url: string | null; key: string } }

/**
 * Reads a list page by page. `rows` are those read so far; `more` reads the next page and is missing when there is none.
 * Page URLs name the public address, of which only the path counts here.
 */
export function useList<Row>(path: string | undefined) {
  const { data, error, size, setSize, mutate, isValidating } = useSWRInfinite<Page & Record<string, unknown>, ApiError>(
    (index, previous: Page | null) => {
      if (!path || (index > 0 && !previous?.meta.next_page_url)) return null
      return index === 0 ? path : pathOf(previous?.meta.next_page_url ?? '')
    },
    (key: string) => get(key),
    { revalidateFirstPage: false, revalidateOnMount: true },
  )
  const rows = data?.flatMap((page) => page[page.meta.key] as Row[])
  const hasMore = Boolean(data?.at(-1)?.meta.next_page_url)
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

/** Something the user asked for: under way, refused, or done. A second click while it is under way does nothing. */
export function useAction<Args extends unknown[]>(act: (...args: Args) => Promise<unknown>) {
  const [state, setState] = useState<{ busy: boolean; error?: ApiError }>({ busy: false })
  const run = useCallback(
    async (...args: Args): Promise<boolean> => {
      setState({ busy: true })
      try {
        await act(...args)
        setState({ busy: false })
        return true
      } catch (error) {
        setState({ busy: false, error: error as ApiError })
        return false
      }
    },
    [act],
  )
  return { ...state, run: (...args: Args) => (state.busy ? Promise.resolve(false) : run(...args)) }
}
