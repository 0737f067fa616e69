import ipaddr from 'ipaddr.js'
import { isSid } from './core/sid.ts'

/**
 * From the text of a setting to its value. Each throws an Error whose message goes on after the setting's name: what is
 * wrong, and what to write instead. Those for secrets do not repeat the text.
 */

export const matching = (pattern: RegExp, otherwise: string) => (text: string) => {
  if (!pattern.test(text)) throw new Error(otherwise)
  return text
}

export const oneOf =
  <const Word extends string>(...words: Word[]) =>
  (text: string): Word => {
    const found = words.find((word) => word === text.toLowerCase())
    if (found === undefined) throw new Error(`"${text}" is not one of ${words.join(', ')}: write one of them`)
    return found
  }

export const wholeNumber = (least: number, most: number) => (text: string) => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new Error(`"${text}" is not a whole number from ${least} to ${most}: write one`)
  }
  return value
}

export function parseBoolean(text: string): boolean {
  if (/^(true|yes|on|1)$/i.test(text)) return true
  if (/^(false|no|off|0)$/i.test(text)) return false
  throw new Error(`"${text}" is neither true nor false: write one of them`)
}

export function parsePort(text: string): number {
  if (text.startsWith('tcp://')) {
    throw new Error(
      `"${text}" was put there by Kubernetes for a Service named maskline: write \`enableServiceLinks: false\` in the ` +
        'pod, or set the port yourself',
    )
  }
  return wholeNumber(0, 65_535)(text)
}

export function parsePublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new Error(`"${text}" is not an absolute http or https URL: write it as https://proxy.example.com`)
  }
  if (/[?#]/.test(text)) throw new Error(`"${text}" has a query or fragment: leave it out`)
  // Not repeated: what stands there may be a password.
  if (url.username || url.password) throw new Error('has a user name in it: leave it out')
  return url.href.replace(/\/+$/, '')
}

export function parseDatabaseUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text)) throw new Error('does not begin with postgres:// or postgresql://: it must')
  if (URL.canParse(text)) return text
  throw new Error('is not a URL: write @, /, : and # in the password as %40, %2F, %3A and %23')
}

export function parseKey(text: string): Buffer {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex')
  // Buffer skips what is not base64, so the text is checked first: 32 bytes are 43 characters, and one sign to fill up.
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return Buffer.from(text, 'base64')
  throw new Error('is not 32 bytes as 64 hex digits or base64: make a key with `openssl rand -hex 32`')
}

export function parseAccountSid(text: string): string {
  if (isSid('AC', text)) return text
  throw new Error(`"${text}" is not an account SID: write AC and 32 hex digits`)
}

/** Networks in CIDR notation; an address alone is a network of one. */
export function parseNetworks(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseNetwork)
}

function parseNetwork(text: string): string {
  if (ipaddr.isValidCIDR(text)) return text
  if (ipaddr.IPv6.isValid(text)) return `${text}/128`
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return `${text}/32`
  throw new Error(`"${text}" is not a network: write networks as 10.0.0.0/8, with commas between them`)
}
