import { useEffect } from 'react'
import type { Service } from './bodies.ts'
import { useList } from './use.ts'

const KEY = 'maskline-service'

/** All services of the account, as far as a page of a hundred shows them. */
export const useServices = () => useList<Service>('/v1/Services?PageSize=100')

/** Remembers which service was looked at, for the next page that shows one. */
export function useRememberedService(sid: string | undefined): void {
  useEffect(() => {
    if (sid) localStorage.setItem(KEY, sid)
  }, [sid])
}

export const rememberedService = (): string | undefined => localStorage.getItem(KEY) ?? undefined
