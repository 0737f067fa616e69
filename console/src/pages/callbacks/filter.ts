import type { Callback } from '../../api/bodies.ts'
import type { Params } from '../../api/http.ts'

export const STATUSES = { pending: 'Pending', delivered: 'Delivered', failed: 'Failed' }

/** `since` is the date that `since_s` seconds ago was when it was chosen; both are empty for all times. */
export type Filter = { status: string; service: string; endpoint: string; since_s: number; since: string }

export const PERIODS: [seconds: number, name: string][] = [
  [0, 'Ever'],
  [900, 'Last 15 minutes'],
  [3_600, 'Last hour'],
  [86_400, 'Last 24 hours'],
  [7 * 86_400, 'Last 7 days'],
]

export const sinceOf = (seconds: number) => ({
  since_s: seconds,
  since: seconds === 0 ? '' : new Date(Date.now() - seconds * 1_000).toISOString(),
})

export const parametersOf = ({ status, service, endpoint, since }: Filter): Params => ({
  Status: status || undefined,
  ServiceSid: service || undefined,
  Endpoint: endpoint || undefined,
  Since: since || undefined,
})

/** The same of what the stream tells. */
export const fits =
  ({ status, service, endpoint, since }: Filter) =>
  (callback: Callback): boolean =>
    (!status || callback.status === status) &&
    (!service || callback.service_sid === service) &&
    (!endpoint || endpointOf(callback.callback_url) === endpoint) &&
    (!since || Date.parse(callback.date_created) >= Date.parse(since) - 1_000)

/** Scheme, host and port, as the server names an endpoint. */
const endpointOf = (url: string) => url.replace(/^([a-z]+:\/\/)([^/?#]*@)?([^/?#]*).*$/is, '$1$3').toLowerCase()
