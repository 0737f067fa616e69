import { posix } from 'node:path'

/** The rules of test/tidy.test.ts. Each takes files and gives a complaint a line, so that a test can feed it bad ones. */
export type SourceFile = { path: string; text: string }

type Import = { from: string; to: string; typeOnly: boolean }

/**
 * What each part of src/ may import, most specific first. Parts may always import themselves. `db` is the whole folder,
 * for whoever assembles the program; all others know only its row types and its statements, or the types of the rest.
 */
const PARTS: { part: string; of: RegExp; may: RegExp[] }[] = [
  { part: 'cli', of: /^src\/cli(\.ts|\/)/, may: [/^src\/(serve|dev|config|version|log)\.ts$/, /^src\/(core|db)\//] },
  {
    part: 'serve',
    of: /^src\/(serve|dev)\.ts$/,
    may: [/^src\/(config|version|log)\.ts$/, /^src\/(http|jobs|carriers|calls|callbacks|twiml|core|db)\//],
  },
  { part: 'config', of: /^src\/config(-values)?\.ts$/, may: [/^src\/core\/sid\.ts$/, /^src\/db\/secret-file\.ts$/] },
  { part: 'version', of: /^src\/version\.ts$/, may: [] },
  { part: 'log', of: /^src\/log\.ts$/, may: [] },
  { part: 'http', of: /^src\/http\//, may: [/^src\/(calls|callbacks|twiml|core)\//] },
  { part: 'jobs', of: /^src\/jobs\//, may: [/^src\/(calls|callbacks|twiml|core)\//] },
  { part: 'carriers/simulator', of: /^src\/carriers\/simulator\//, may: [/^src\/(twiml|core)\//] },
  { part: 'carriers/twilio', of: /^src\/carriers\/twilio\//, may: [/^src\/(twiml|core)\//] },
  { part: 'calls', of: /^src\/calls\//, may: [/^src\/(callbacks|twiml|core)\//] },
  { part: 'callbacks', of: /^src\/callbacks\//, may: [/^src\/(twiml|core)\//] },
  { part: 'twiml', of: /^src\/twiml\//, may: [/^src\/core\//] },
  { part: 'core', of: /^src\/core\//, may: [] },
  { part: 'db', of: /^src\/db\//, may: [] },
]

const ROWS_AND_STATEMENTS = /^src\/db\/(schema\.ts|statements\/)/

export function findUpwardImports(files: SourceFile[]): string[] {
  return files.flatMap(importsOf).flatMap(({ from, to, typeOnly }) => {
    const part = PARTS.find(({ of }) => of.test(from))
    if (!part) return [`${from} belongs to no part of src/ that test/support/tidy-rules.ts knows`]
    const knowsRows = !['config', 'version', 'log'].includes(part.part)
    const isRow = knowsRows && (ROWS_AND_STATEMENTS.test(to) || (typeOnly && to.startsWith('src/db/')))
    const allowed = part.of.test(to) || isRow || part.may.some((pattern) => pattern.test(to))
    return allowed ? [] : [`${from} imports ${to}, which is not below it`]
  })
}

export function findCycles(files: SourceFile[]): string[] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file).map(({ to }) => to)]))
  const finished = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: string[]) => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
    if (trail.includes(path) || finished.has(path)) return
    for (const next of imports.get(path) ?? []) visit(next, [...trail, path])
    finished.add(path)
  }
  for (const path of imports.keys()) visit(path, [])
  return cycles
}

/** Imports and re-exports of our own files, also those written over several lines or as a call. */
function importsOf({ path, text }: SourceFile): Import[] {
  const statements = text.matchAll(/^(?:import|export)\s(?:[^'"]*?\sfrom\s*)?(['"])(\.[^'"]+)\1/gm)
  const calls = text.matchAll(/\bimport\(\s*(['"])(\.[^'"]+)\1/g)
  return [...statements, ...calls].map((match) => ({
    from: path,
    to: posix.join(posix.dirname(path), match[2]!),
    typeOnly: /^(import|export)\s+type\s/.test(match[0]),
  }))
}

export const findEnvironmentReaders = (files: SourceFile[]) =>
  findLines(files, /\bprocess\s*(\.\s*env\b|\[\s*['"]env['"])|\benv\b.*\bfrom 'node:process'/, 'reads the environment')

export const findLongFiles = (files: SourceFile[], most: number) =>
  files.flatMap(({ path, text }) => {
    const count = text.split('\n').length - 1
    return count > most ? [`${path} has ${count} lines`] : []
  })

/**
 * Blocks that a function's head opens, measured by indentation, which the formatter guarantees: from the head's first
 * line to the line at the same depth that begins with the closing bracket.
 */
export function findLongFunctions(files: SourceFile[], most: number): string[] {
  const opensFunction = /^(?!\s*(if|for|while|switch|catch|\} (else|catch|finally))\b).*(=> \(?\{|\)(: [^={}]+)? \{)$/
  return files.flatMap(({ path, text }) => {
    const lines = text.split('\n')
    const depth = (line: string) => line.length - line.trimStart().length
    return lines.flatMap((line, at) => {
      if (!opensFunction.test(line)) return []
      let start = at
      // A head whose parameters take several lines ends at the depth where it began.
      while (/^\s*[)}\]]/.test(lines[start]!) && start > 0) {
        start--
        while (start > 0 && depth(lines[start]!) !== depth(line)) start--
      }
      const length = lines.findIndex((end, index) => index > at && /^\s*\}/.test(end) && depth(end) === depth(line))
      const count = length - start + 1
      return count > most ? [`${path}:${start + 1} has a function of ${count} lines`] : []
    })
  })
}

export const findForbiddenNames = (files: SourceFile[]) => [
  ...files.flatMap(({ path }) =>
    /(^|\/)(utils?|helpers?|index|misc|common|lib)\.ts$/.test(path) ? [`${path} says nothing by its name`] : [],
  ),
  ...findLines(files, /\b[A-Za-z]\w*(Manager|Helper|Impl|Dto|DTO)s?\b/, 'has a name with a forbidden suffix'),
]

export const findLooseEnds = (files: SourceFile[]) =>
  findLines(files, /\b(TODO|FIXME)\b(?!\s*\(?#\d+)/, 'has a loose end without an issue number')

export const findSkippedTests = (files: SourceFile[]) =>
  findLines(
    files,
    /\b(test|it|describe|suite|t)\.(skip|only|todo)\b|\b(skip|only|todo):\s*(true|['"`]|!)/,
    'skips a test',
  )

/** Only where a type stands; in prose the word is followed by another. */
export const findAny = (files: SourceFile[]) =>
  findLines(files, /(:|<|\||&|,|\bas)\s*any\s*(\[\]|[;,)=>|&{}\]]|$)/, 'has a type any')

export function findUnlinkedDocuments(documents: SourceFile[], entrances: SourceFile[]): string[] {
  const linked = new Set(entrances.flatMap(linksOf))
  return documents.flatMap(({ path }) =>
    linked.has(path) ? [] : [`${path} is linked from neither ${entrances.map((each) => each.path).join(' nor ')}`],
  )
}

export const findBrokenLinks = (documents: SourceFile[], exists: (path: string) => boolean) =>
  documents.flatMap((document) =>
    linksOf(document).flatMap((path) =>
      exists(path) ? [] : [`${document.path} links to ${path}, which is not there`],
    ),
  )

/** The files a document links to, as paths from the root. */
const linksOf = ({ path, text }: SourceFile) =>
  [...text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)/g)].map((match) =>
    posix.normalize(posix.join(posix.dirname(path), match[1]!)).replace(/\/$/, ''),
  )

/** Addresses that hold only where this was written, or that a lock file should leave to the settings of its user. */
export const findForeignAddresses = (files: SourceFile[], registry: string) =>
  findLines(
    files,
    new RegExp(
      [
        'https?://[\\w.-]*(registry|artifactory|nexus|pypi|npmjs|goproxy|proxy\\.golang|repo1?\\.maven|jfrog)[\\w.-]*',
        '(^|[\\s"\'`(=:])/(root|home)/\\w',
        `//${registry.replaceAll('.', '\\.')}\\b`,
      ].join('|'),
    ),
    'names an address or path of one machine',
  )

function findLines(files: SourceFile[], pattern: RegExp, complaint: string): string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1} ${complaint}`] : [])),
  )
}
