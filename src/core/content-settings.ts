import type { ContentAction, ContentKind, Service } from '../db/schema.ts'
import { invalidParameter } from './errors.ts'

export const CONTENT_KINDS = ['own_number', 'other_numbers', 'email_addresses', 'links', 'payment_words'] as const
export const CONTENT_ACTIONS = ['flag', 'redact', 'block'] as const

export const contentGuardOf = (service: Service): Record<ContentKind, ContentAction | null> => ({
  own_number: service.content_guard_own_number,
  other_numbers: service.content_guard_other_numbers,
  email_addresses: service.content_guard_email_addresses,
  links: service.content_guard_links,
  payment_words: service.content_guard_payment_words,
})

const MOST_ENTRIES = 200
const DOMAIN =
  /^(?=.{4,253}$)[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?(\.[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?)+$/u

type Lists = { allowed_domains?: string[] | null | undefined; payment_words?: string[] | null | undefined }

/** Throws 80701 for what is no domain or no word. */
export function checkContentGuard({ allowed_domains, payment_words }: Lists): void {
  for (const [name, list] of Object.entries({ AllowedDomains: allowed_domains, PaymentWords: payment_words })) {
    if (list && list.length > MOST_ENTRIES) throw invalidParameter(name, `Give at most ${MOST_ENTRIES} of them.`)
  }
  if (allowed_domains && !allowed_domains.every((domain) => DOMAIN.test(domain))) {
    throw invalidParameter('AllowedDomains', 'Give host names alone, as in example.com.')
  }
  if (payment_words && !payment_words.every((word) => /[\p{L}\p{N}]/u.test(word) && word.length <= 60)) {
    throw invalidParameter('PaymentWords', 'Give words of at most 60 characters.')
  }
}
