import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** The console's pages: a few files, which are kept in memory once they have been read, packed when they are first asked for. */
type File = { body: Buffer; type: string; etag: string; packed: Map<Coding, Promise<Buffer>> }
type Coding = 'br' | 'gzip'

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
}
const PACKABLE = /^(text|application)\/|svg/

/** Nothing but what we serve runs in these pages, asks anybody else, or is shown inside a page of others. */
const HEADERS = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "connect-src 'self'",
    "font-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
  'Referrer-Policy': 'no-referrer',
}

const NOT_MADE = `<!doctype html>
<html lang="en"><title>Maskline</title>
<h1>The console has not been built</h1>
<p>In a checkout of the sources, run <code>npm run build</code>, and load this page again. The package has it built in.</p>
</html>
`

/** `folder` holds what the build made: index.html, and files whose names change with what is in them under assets/. */
export function consoleFiles(app: FastifyInstance, folder: string): void {
  let files = new Map<string, File>()
  const send = async (request: FastifyRequest, reply: FastifyReply) => {
    reply.headers(HEADERS)
    if (files.size === 0) files = readFiles(folder)
    const { '*': path = '' } = request.params as { '*'?: string }
    const isAsset = path.startsWith('assets/')
    // The pages have paths of their own, which the script of the one page there is reads.
    const file = files.get(path) ?? (isAsset ? undefined : files.get('index.html'))
    if (!file && isAsset) return reply.callNotFound()
    reply.header('Cache-Control', isAsset ? 'public, max-age=31536000, immutable' : 'no-cache')
    if (!file) return reply.code(503).type('text/html; charset=utf-8').send(NOT_MADE)
    reply.headers({ ETag: file.etag, Vary: 'Accept-Encoding' }).type(file.type)
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send()
    const coding = PACKABLE.test(file.type) ? codingFor(request.headers['accept-encoding'] ?? '') : undefined
    if (!coding) return reply.send(file.body)
    return reply.header('Content-Encoding', coding).send(await packed(file, coding))
  }
  for (const url of ['/', '/*']) app.get(url, { schema: { hide: true } }, send)
}

function readFiles(folder: string): Map<string, File> {
  const names = existsSync(join(folder, 'index.html')) ? (readdirSync(folder, { recursive: true }) as string[]) : []
  return new Map(
    names
      .map((name) => name.replaceAll('\\', '/'))
      .filter((name) => TYPES[extname(name)])
      .map((name): [string, File] => {
        const body = readFileSync(join(folder, name))
        // Not a strong one, since what is sent may be packed.
        const etag = `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
        return [name, { body, type: TYPES[extname(name)] ?? '', etag, packed: new Map() }]
      }),
  )
}

const codingFor = (accepted: string): Coding | undefined =>
  (['br', 'gzip'] as const).find((coding) => new RegExp(`\\b${coding}\\b(?!\\s*;\\s*q=0(\\.0*)?(,|$))`).test(accepted))

const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }

function packed({ body, packed }: File, coding: Coding): Promise<Buffer> {
  const known = packed.get(coding)
  if (known) return known
  const made = coding === 'br' ? promisify(brotliCompress)(body, BROTLI) : promisify(gzip)(body, { level: 9 })
  packed.set(coding, made)
  return made
}
