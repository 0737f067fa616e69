/**
 * How one address wants to be called, by its fragment, as in `https://app.example/hook#rc=3&rp=5xx,rt&ct=1000`: names,
 * limits and defaults are the vendor's (https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides). The
 * fragment itself never travels. What cannot be read, or is out of bounds, counts as not given.
 */
export type Overrides = {
  /** Until there is a connection, with TLS. */
  connect_ms: number
  /** Until the answer begins, and between its pieces. */
  read_ms: number
  /** For everything, further tries included. */
  total_ms: number
  retries: number
  retry_on: ReadonlySet<string>
}

/** What a try failed by: no connection, no complete answer in time, or a status. Anything else has no name. */
export type Failure = 'ct' | 'rt' | '4xx' | '5xx' | 'other'

const POLICIES: readonly string[] = ['4xx', '5xx', 'ct', 'rt', 'all']

const DEFAULTS: Overrides = {
  connect_ms: 5_000,
  read_ms: 15_000,
  total_ms: 15_000,
  retries: 1,
  retry_on: new Set(['ct']),
}

export function parseOverrides(url: string): Overrides {
  const at = url.indexOf('#')
  if (at < 0) return DEFAULTS
  const given = new URLSearchParams(url.slice(at + 1))
  const whole = (name: string, least: number, most: number) => {
    const text = given.get(name) ?? ''
    return /^\d{1,5}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined
  }
  const policies = given.get('rp')?.toLowerCase().split(',') ?? []
  return {
    connect_ms: whole('ct', 100, 10_000) ?? DEFAULTS.connect_ms,
    read_ms: whole('rt', 100, 15_000) ?? DEFAULTS.read_ms,
    total_ms: whole('tt', 100, 15_000) ?? DEFAULTS.total_ms,
    retries: whole('rc', 0, 5) ?? DEFAULTS.retries,
    retry_on:
      policies.length > 0 && policies.every((policy) => POLICIES.includes(policy))
        ? new Set(policies)
        : DEFAULTS.retry_on,
  }
}

export const asksToRetry = ({ retry_on }: Overrides, failure: Failure) => retry_on.has('all') || retry_on.has(failure)
