import { createContext, type ReactNode, useContext, useEffect } from 'react'
import useSWR, { mutate } from 'swr'
import { ApiError, get, remove, whenSignedOut } from './http.ts'

export type Role = 'viewer' | 'operator' | 'admin'

/** Who is signed in, for which account, and what this server is. */
export type Session = {
  user: { sid: string; name: string; role: Role; account_sid: string | null; has_totp: boolean }
  account: { sid: string; friendly_name: string; status: 'active' | 'suspended' }
  scopes: string[]
  version: string
  public_url: string
  /** Whoever came by a link may set a password without knowing the one before. */
  is_by_link?: boolean
  has_simulator: boolean
  is_dev: boolean
  date_idle_expiry: string
  date_expiry: string
}

const PATH = '/console/session'
const SessionContext = createContext<Session | undefined>(undefined)

/** Undefined while nobody is signed in; then the sign-in page stands instead of all others. */
export function useSignedIn() {
  const { data, error, isLoading } = useSWR<Session | null, ApiError>(PATH, readSession)
  useEffect(() => whenSignedOut(() => mutate(PATH, null, { revalidate: false })), [])
  return { session: data, error, isLoading }
}

async function readSession(): Promise<Session | null> {
  try {
    return await get<Session>(PATH)
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null
    throw error
  }
}

export const SessionProvider = ({ session, children }: { session: Session; children: ReactNode }) => (
  <SessionContext value={session}>{children}</SessionContext>
)

/** Throws outside of pages, which stand only where somebody is signed in. */
export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error('nobody is signed in')
  return session
}

/** Whether the user may do what takes this scope. */
export const useMay = (scope: string): boolean => useSession().scopes.includes(scope)

/** Everything is read anew for somebody else, or for another account (`Gate`). */
export const startOver = (session: Session | null) => mutate(PATH, session, { revalidate: false })

/** Something about the user is other than it was. */
export const readSessionAgain = () => mutate(PATH)

export async function signOut(): Promise<void> {
  await remove(PATH)
  await startOver(null)
}
