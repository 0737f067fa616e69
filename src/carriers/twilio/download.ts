import { type Dispatcher, request } from 'undici'
import { CarrierError } from '../../core/carrier.ts'
import { basicAuth, type Connection, networkError, readAtMost } from './api.ts'

const MAX_REDIRECTS = 3

export type Download = { content_type: string; bytes: Buffer }
type Wanted = { what: 'attachment' | 'recording'; address: string; maxBytes: number }

/**
 * Fetches an attachment or a recording. Twilio's addresses for them want the account's credentials and may redirect to
 * a store that must not see them: they go to the API's own host, on the first request, and nowhere else. The guard stands
 * before every other host.
 */
export async function download(connection: Connection, { what, address, maxBytes }: Wanted): Promise<Download> {
  const signal = AbortSignal.timeout(connection.timeout_ms)
  let url = parseAddress(connection, what, address)
  let headers: Record<string, string> = takesCredentials(connection, url)
    ? { authorization: basicAuth(connection) }
    : {}
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const step = await fetchStep(connection, url, { what, headers, signal, maxBytes })
    if ('bytes' in step) return step
    url = parseAddress(connection, what, step.location, url)
    headers = {}
  }
  throw new CarrierError('refused', `the ${what} is behind more than ${MAX_REDIRECTS} redirects`)
}

type What = Wanted['what']
type Step = { what: What; headers: Record<string, string>; signal: AbortSignal; maxBytes: number }

async function fetchStep(connection: Connection, url: URL, { what, headers, signal, maxBytes }: Step) {
  try {
    const dispatcher = isOurs(connection, url) ? connection.dispatcher : connection.elsewhere
    const response = await request(url, { headers, signal, dispatcher })
    const { statusCode, body } = response
    const location = response.headers.location
    if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
      await body.dump()
      return { location }
    }
    if (statusCode !== 200) {
      await body.dump()
      throw statusError(what, statusCode)
    }
    return await readDownload(what, response, maxBytes)
  } catch (error) {
    if (error instanceof CarrierError) throw error
    if (isRefusedAddress(error)) throw new CarrierError('refused', `the ${what} is at a private address`)
    // Nothing was sent and a download may always be repeated, so it is never in doubt.
    throw new CarrierError('not-sent', `the ${what} could not be downloaded`, { cause: networkError(error) })
  }
}

async function readDownload(
  what: What,
  { headers, body }: Dispatcher.ResponseData,
  maxBytes: number,
): Promise<Download> {
  const isAnnouncedTooLarge = Number(headers['content-length']) > maxBytes
  const bytes = isAnnouncedTooLarge ? undefined : await readAtMost(body, maxBytes)
  if (!bytes) {
    // An announced body has not been touched yet; destroying it closes the connection instead of draining it.
    body.on('error', () => {}).destroy()
    throw new CarrierError('refused', `the ${what} is larger than ${maxBytes} bytes`)
  }
  return { content_type: String(headers['content-type'] ?? 'application/octet-stream'), bytes }
}

const statusError = (what: What, status: number) =>
  new CarrierError(
    status === 429 || status >= 500 ? 'not-sent' : 'refused',
    `the ${what}'s address answered HTTP ${status}`,
  )

/** A carrier that is itself spoken to in the clear, as in a test, may have its files there too. */
export function parseAddress({ base_url }: Connection, what: What, address: string, base?: URL): URL {
  const url = URL.canParse(address, base?.href) ? new URL(address, base?.href) : undefined
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && base_url.startsWith('http:'))
  if (!url || !isSafe) throw new CarrierError('refused', `the ${what}'s address is not an https URL`)
  return url
}

/** By the guard that the server puts before other hosts (`callbacks/guard.ts`). */
const isRefusedAddress = (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === 'ADDRESS_REFUSED'

const isOurs = ({ base_url }: Connection, url: URL) => url.origin === new URL(base_url).origin

export const takesCredentials = (connection: Connection, url: URL) =>
  isOurs(connection, url) || url.origin === 'https://api.twilio.com'
