import { type Dispatcher, request } from 'undici'
import { CarrierError } from '../../core/carrier.ts'
import { basicAuth, type Connection, networkError, readAtMost } from './api.ts'

const MAX_REDIRECTS = 3

type Media = { content_type: string; bytes: Buffer }

/**
 * Fetches an attachment. Twilio's media addresses want the account's credentials and redirect to a store that must not
 * see them: they go to the API's own host, on the first request, and nowhere else.
 */
export async function fetchMedia(connection: Connection, address: string, maxBytes: number): Promise<Media> {
  const signal = AbortSignal.timeout(connection.timeout_ms)
  let url = parseAddress(connection, address)
  let headers: Record<string, string> = takesCredentials(connection, url)
    ? { authorization: basicAuth(connection) }
    : {}
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const step = await fetchStep(connection, url, { headers, signal, maxBytes })
    if ('bytes' in step) return step
    url = parseAddress(connection, step.location, url)
    headers = {}
  }
  throw new CarrierError('refused', `the attachment is behind more than ${MAX_REDIRECTS} redirects`)
}

type Step = { headers: Record<string, string>; signal: AbortSignal; maxBytes: number }

async function fetchStep(connection: Connection, url: URL, { headers, signal, maxBytes }: Step) {
  try {
    const response = await request(url, { headers, signal, dispatcher: connection.dispatcher })
    const { statusCode, body } = response
    const location = response.headers.location
    if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
      await body.dump()
      return { location }
    }
    if (statusCode !== 200) {
      await body.dump()
      throw statusError(statusCode)
    }
    return await readMedia(response, maxBytes)
  } catch (error) {
    if (error instanceof CarrierError) throw error
    // Nothing was sent and a download may always be repeated, so it is never in doubt.
    throw new CarrierError('not-sent', 'the attachment could not be downloaded', { cause: networkError(error) })
  }
}

async function readMedia({ headers, body }: Dispatcher.ResponseData, maxBytes: number): Promise<Media> {
  const isAnnouncedTooLarge = Number(headers['content-length']) > maxBytes
  const bytes = isAnnouncedTooLarge ? undefined : await readAtMost(body, maxBytes)
  if (!bytes) {
    // An announced body has not been touched yet; destroying it closes the connection instead of draining it.
    body.on('error', () => {}).destroy()
    throw new CarrierError('refused', `the attachment is larger than ${maxBytes} bytes`)
  }
  return { content_type: String(headers['content-type'] ?? 'application/octet-stream'), bytes }
}

const statusError = (status: number) =>
  new CarrierError(
    status === 429 || status >= 500 ? 'not-sent' : 'refused',
    `the attachment's address answered HTTP ${status}`,
  )

function parseAddress({ base_url }: Connection, address: string, base?: URL): URL {
  const url = URL.canParse(address, base?.href) ? new URL(address, base?.href) : undefined
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && base_url.startsWith('http:'))
  if (!url || !isSafe) throw new CarrierError('refused', "the attachment's address is not an https URL")
  return url
}

const takesCredentials = (connection: Connection, url: URL) =>
  url.origin === new URL(connection.base_url).origin || url.origin === 'https://api.twilio.com'
