import { type Reading, rewrite, type Span, typedSpan } from './reading.ts'

/** E-mail addresses and links in a text, also where their marks are written as words. */

const MAIL_HOSTS =
  'gmail googlemail hotmail outlook yahoo icloud aol protonmail proton gmx msn ymail yandex mailru fastmail'
const OFTEN =
  'com net org info biz io co app dev xyz online site shop store club live link page chat email cloud tech pro name mobi top ' +
  'uk us ca au nz de fr es it nl ch at pl se no dk fi pt br mx ar cl ru cn jp kr in za ie be eu me ly gl ee gg cc tv gd to gy ' +
  'example test рф рус онлайн саит москва 中国 公司 网络'
/** Words as well, or the ends of sentences: only with more around them. */
const RARELY =
  'co us no it at in me to be live link page chat email name pro top store shop club cloud online site test'
const SHORTENERS =
  't.me wa.me m.me fb.me bit.ly goo.gl is.gd t.co ow.ly rb.gy youtu.be lnk.to tiny.cc cutt.ly v.gd j.mp buff.ly'

const setOf = (words: string) => new Set(words.split(' '))
const HOSTS = setOf(MAIL_HOSTS)
const ENDS = setOf(OFTEN)
const WEAK_ENDS = setOf(RARELY)
const SHORT = setOf(SHORTENERS)

const LABEL = '[\\p{L}\\p{N}](?:[\\p{L}\\p{N}-]{0,61}[\\p{L}\\p{N}])?'

/** `name (at) example [dot] com`, `name at example dot com`, `name @ example . com`: as they are meant. */
function asMeant(reading: Reading): Reading {
  const steps: [RegExp, (match: RegExpMatchArray) => string][] = [
    [/ {0,2}[([{<] ?(?:at|@) ?[)\]}>] {0,2}/g, () => '@'],
    [/ {0,2}[([{<] ?(?:dot|punkt|punto|point|\.) ?[)\]}>] {0,2}/g, () => '.'],
    [/ {1,2}(?:dot|punkt|punto) {1,2}(?=[\p{L}\p{N}])/gu, () => '.'],
    [/ {1,2}\. {0,2}(?=(?:com|net|org|info|io)\b)/g, () => '.'],
    [/ {0,2}@ {0,2}/g, () => '@'],
    [new RegExp(` {1,2}at {1,2}(?=(?:${MAIL_HOSTS.replaceAll(' ', '|')})\\b)`, 'g'), () => '@'],
  ]
  return steps.reduce((read, [pattern, becomes]) => rewrite(read, pattern, becomes), reading)
}

/** `name at example dot com`, where the dot is a word: with a real one it is a place to look at. */
const withWordedAt = (reading: Reading) =>
  rewrite(
    reading,
    / {1,2}at {1,2}([\p{L}\p{N}-]{1,63}) {1,2}(?:dot|punkt|punto) {1,2}(?=\p{L})/gu,
    (match) => `@${match[1]}.`,
  )

export type Addresses = { emails: Span[]; links: Span[] }

/** As places in what was typed. A domain that is allowed is no link, nor are those that belong to it. */
export function findAddresses(reading: Reading, allowed: string[]): Addresses {
  const meant = asMeant(withWordedAt(reading))
  const { whole, bare } = findLinks(meant.text)
  // Of `https://a@b.example` the first part is a name for the second, which is where it leads.
  const emails = findEmails(meant.text).filter((email) => !whole.some((link) => overlap(email, link)))
  const links = [...whole, ...bare.filter((link) => !emails.some((email) => overlap(email, link)))]
  const placed = (spans: Span[]) => spans.map((span) => typedSpan(meant, span))
  return { emails: placed(emails), links: placed(links.filter(({ host }) => !isAllowed(host, allowed))) }
}

const overlap = (a: Span, b: Span) => a.from < b.to && b.from < a.to

const DOMAIN = new RegExp(`${LABEL}(?:\\.${LABEL}){0,6}`, 'uy')
const LOCAL = /[\p{L}\p{N}._%+'-]/u
const MAX_LOCAL = 64

function findEmails(text: string): Span[] {
  const spans: Span[] = []
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let from = at
    while (from > 0 && at - from < MAX_LOCAL && LOCAL.test(text[from - 1] ?? '')) from--
    DOMAIN.lastIndex = at + 1
    const domain = from < at ? DOMAIN.exec(text)?.[0] : undefined
    const labels = domain?.split('.') ?? []
    const isDomain = labels.length > 1 && /^\p{L}[\p{L}\p{N}-]+$/u.test(labels.at(-1) ?? '')
    if (domain && (isDomain || HOSTS.has(domain))) spans.push({ from, to: at + 1 + domain.length })
  }
  return spans
}

const WITH_SCHEME =
  /(?<![\p{L}\p{N}])(?:h[tx]{2}ps?|ftp):[\\/]{2}[^\s<>"]{1,2000}|(?<![\p{L}\p{N}.-])www\.[^\s<>"]{2,2000}/gu
const BARE = new RegExp(
  `(?<![\\p{L}\\p{N}@-])(${LABEL}(?:\\.${LABEL}){1,6})(?![\\p{L}\\p{N}-])([:/?#][^\\s<>"]{1,1000})?`,
  'gu',
)

type Link = Span & { host: string }

/** `whole` are those that say of themselves that they are links. */
function findLinks(text: string): { whole: Link[]; bare: Link[] } {
  const link = (match: RegExpMatchArray, host: string): Link => ({
    host,
    from: match.index!,
    to: match.index! + ended(match[0]).length,
  })
  const whole = [...text.matchAll(WITH_SCHEME)].map((match) => link(match, hostOf(ended(match[0]))))
  const bare = [...text.matchAll(BARE)]
    .filter(([, host = '', path]) => isHost(host, path))
    .map((match) => link(match, match[1] ?? ''))
    .filter((found) => !whole.some((other) => overlap(found, other)))
  return { whole, bare }
}

/** Without what ends a sentence and no link. */
const ended = (link: string) => link.replace(/[.,!?;:)\]]{1,20}$/, '')

function isHost(host: string, path: string | undefined): boolean {
  const labels = host.split('.')
  const end = labels.at(-1) ?? ''
  if (SHORT.has(labels.slice(-2).join('.'))) return true
  if (!ENDS.has(end) && !end.startsWith('xn--')) return false
  if (!WEAK_ENDS.has(end)) return /\p{L}/u.test(labels.at(-2) ?? '') || path !== undefined
  return path !== undefined || labels.length > 2
}

/** The host that a browser would go to: not what stands before an @. */
function hostOf(link: string): string {
  const [authority = ''] = link.replace(/^\w+:[\\/]{2}/, '').split(/[\\/?#]/)
  return authority
    .slice(authority.lastIndexOf('@') + 1)
    .replace(/:\d*$/, '')
    .replace(/\.+$/, '')
}

const isAllowed = (host: string, allowed: string[]) =>
  allowed.some((domain) => host === domain || host.endsWith(`.${domain}`))
