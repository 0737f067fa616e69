import { hash, verify } from '@node-rs/argon2'
import { invalidParameter, ProxyError } from './errors.ts'

/** As OWASP asks for Argon2id: 19 MiB, two passes, one lane. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
/** Each takes a core and its memory for tens of milliseconds. Who comes when so many wait is to come again. */
const AT_ONCE = 2
const MOST_WAITING = 40

/** Of no password: for names that nobody has, so that they cost as much. */
const NOBODYS = '$argon2id$v=19$m=19456,t=2,p=1$8DplLb4HuThWn4pE0DXvzA$b4FrXG3bJEhM5syGLtgx3I6V5IgyUPi2N+XiyZkVILM'

export const MIN_PASSWORD = 12
export const MAX_PASSWORD = 256

export type Passwords = {
  hash: (password: string) => Promise<string>
  /** False for a hash that is none, in the same time. */
  verify: (hash: string | null, password: string) => Promise<boolean>
}

/** Throws 20503 when too many wait already. */
export function createPasswords(): Passwords {
  let running = 0
  const waiting: (() => void)[] = []
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= AT_ONCE) {
      if (waiting.length >= MOST_WAITING) throw new ProxyError(20503)
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running++
    try {
      return await work()
    } finally {
      // Whoever waits takes the place over as it is.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
  return {
    hash: (password) => inTurn(() => hash(normal(password), COST)),
    verify: (known, password) =>
      inTurn(async () => (await verify(known ?? NOBODYS, normal(password))) && known !== null),
  }
}

/** The same letters may be written in several ways, and keyboards differ in which. */
const normal = (password: string) => password.normalize('NFKC')

/** What is tried first, and what of a password is no more than that counts for nothing. */
const COMMON = [
  ...['password', 'passw0rd', 'p@ssw0rd', 'welcome', 'iloveyou', 'letmein', 'changeme', 'trustno1', 'admin', 'secret'],
  ...['maskline', 'console', 'qwerty', 'qwertz', 'azerty', 'uiop', 'asdf', 'ghjkl', 'zxcv', 'yxcv', 'bnm', '1q2w3e4r'],
  ...['5t6y7u8i', '1qaz', '2wsx', '3edc', 'zaq1', 'q1w2e3r4', 't5y6', 'abc', 'def', 'ghi', 'jkl', 'mno', 'pqr', 'stu'],
  ...['012', '123', '234', '345', '456', '567', '678', '789', '890', '987', '876', '765', '654', '543', '432', '321'],
]
const LEAST_LEFT = 6

/** Throws 80701. Length is what counts, so nothing is asked of the characters; but not length made of the best known words. */
export function requireGoodPassword(password: string, name: string): void {
  if ([...password].length < MIN_PASSWORD) {
    throw invalidParameter('Password', `It needs at least ${MIN_PASSWORD} characters.`)
  }
  const words = [...COMMON, ...name.toLowerCase().split(/[^\p{L}\p{N}]+/u)].filter((word) => word.length > 2)
  let left = normal(password).toLowerCase()
  for (const word of words.toSorted((a, b) => b.length - a.length)) left = left.replaceAll(word, ' ')
  const letters = left.replace(/\s/g, '').replace(/(.)\1+/gu, '$1')
  if (letters.length < LEAST_LEFT || new Set(letters).size < LEAST_LEFT - 1) {
    throw invalidParameter(
      'Password',
      'It is easy to guess: take one that is not made of common words and rows of keys.',
    )
  }
}
