import { type Check, found, type Look } from './check.ts'

/**
 * Whether customers' applications can be reached now. A connection is made and closed; nothing is asked, for a request that
 * says nothing would still be one the customer has to explain.
 */
export const PROBE_CHECKS: Check[] = [
  {
    id: 'callback-unreachable',
    level: 'warning',
    means: "The addresses of the services' applications accept a connection from this machine.",
    advice: "Look at the application, the network between, and MASKLINE_CALLBACK_ALLOW; see the service's URLs.",
    find: { read: readAddresses },
  },
]

const AT_ONCE = 10

async function readAddresses({ query, probe }: Look) {
  const rows = await query<{ sid: string; url: string }>(
    `select sid, url from services, unnest(array[callback_url, intercept_callback_url, out_of_session_callback_url]) as url
     where url is not null order by sid`,
  )
  const origins = [...new Set(rows.flatMap(({ url }) => (URL.canParse(url) ? [new URL(url).origin] : [])))]
  const reasons = new Map<string, string>()
  const tryNext = async (): Promise<void> => {
    const origin = origins.pop()
    if (!origin) return
    const reason = await probe?.(origin)
    if (reason) reasons.set(origin, reason)
    await tryNext()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, tryNext))
  const failed = rows.flatMap(({ sid, url }) => {
    const reason = URL.canParse(url) ? reasons.get(new URL(url).origin) : 'no URL'
    return reason ? [`${sid} (${reason})`] : []
  })
  return { 'callback-unreachable': found([...new Set(failed)]) }
}
