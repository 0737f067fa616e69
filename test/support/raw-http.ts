import { connect } from 'node:net'

export type RawAnswer = { status: number; headers: Map<string, string>; body: string }

const LIMIT_MS = 10_000

/** Sends bytes as they are (a character is a byte) and gives all answers, once the other side has closed the connection. */
export async function exchange(port: number, bytes: string): Promise<RawAnswer[]> {
  const text = await new Promise<string>((resolve, reject) => {
    let received = ''
    const socket = connect(port, '127.0.0.1').setEncoding('latin1')
    const timer = setTimeout(() => reject(new Error(`The connection stays open after:\n${received}`)), LIMIT_MS)
    socket.on('data', (chunk: string) => {
      received += chunk
    })
    // What is still being sent when the other side closes comes back as an error.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(received)
    })
    socket.write(bytes, 'latin1')
  })
  return readAnswers(text)
}

/** Answers with a length; those without a body have none. */
function readAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  for (let rest = text; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n')
    const [line = '', ...fields] = rest.slice(0, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1])
    if (end < 0 || !status) throw new Error(`This is no answer:\n${rest}`)
    const headers = new Map(fields.map((field) => /^([^:]+): ?(.*)$/.exec(field)?.slice(1) as [string, string]))
    const lower = new Map([...headers].map(([name, value]) => [name.toLowerCase(), value]))
    const length = Number(lower.get('content-length') ?? 0)
    const body = rest.slice(end + 4, end + 4 + length)
    rest = rest.slice(end + 4 + length)
    answers.push({ status, headers: lower, body })
  }
  return answers
}

const HOST = 'Host: proxy.example.com\r\n'
/** Answered 404, and not before its body has come. */
const POST = `POST /webhooks/MC0/messages HTTP/1.1\r\n${HOST}`
const GET = `GET /v1/Services HTTP/1.1\r\n${HOST}`
const LAST = '0\r\n\r\n'
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

/** What nobody may ever see answered: it is inside of something else. */
export const INNER = `GET /health/live HTTP/1.1\r\n${HOST}\r\n`
/** What follows everything, and is answered only where the connection is still in order. */
export const FINAL = `GET /health/ready HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`

const chunked = (coding: string, body = LAST) => `${POST}${coding}\r\n\r\n${body}`
const sized = (length: string, body = '') => `${POST}${length}\r\n\r\n${body}`
const inChunks = (body: string) => chunked('Transfer-Encoding: chunked', body)

/** By what they try; every one has to be refused. */
export const AMBIGUOUS: Record<string, string[]> = {
  'a length and chunks': [
    `${POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n${LAST}G`,
    `${POST}Content-Length: ${(LAST + INNER).length}\r\nTransfer-Encoding: chunked\r\n\r\n${LAST}${INNER}`,
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${chunk(INNER)}${LAST}`,
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n${LAST}${INNER}`,
  ],
  'a transfer encoding in disguise': [
    ...['xchunked', '"chunked"', 'chunked, chunked', 'identity', 'chunked, identity', 'identity, chunked', ''],
    ...[
      'gzip, chunked',
      'chunked,',
      ', chunked',
      '\x0bchunked',
      'chunked\x0b',
      '\x00chunked',
      'chunked\x00',
      '\xa0chunked',
    ],
    ...['chunked;q=1', 'chun\r\n ked', '\r\n chunked', '\n chunked', 'chunked\r', 'x\nTransfer-Encoding: chunked'],
  ].map((coding) => chunked(`Transfer-Encoding: ${coding}`)),
  'a transfer encoding twice, or named in another way': [
    chunked('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'),
    chunked('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'),
    chunked('Transfer-Encoding: chunked\r\ntransfer-encoding: chunked'),
    chunked('Transfer-Encoding : chunked'),
    chunked('Transfer-Encoding\t: chunked'),
    chunked(' Transfer-Encoding: chunked'),
    chunked('X: y\nTransfer-Encoding: chunked'),
    chunked('Transfer-Encoding\r\n : chunked'),
    `POST /webhooks/MC0/messages HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${LAST}`,
  ],
  'a length in disguise': [
    ...[
      '+0',
      '-0',
      '-1',
      '0x0',
      '00',
      '0 0',
      '0,0',
      '0, 0',
      '0;',
      '',
      '1e1',
      '0.0',
      '٠',
      '\x00',
      '0\xa0',
      '0\r',
      '\r\n 0',
    ],
    ...['9'.repeat(30), '18446744073709551616', '18446744073709551617'],
  ].map((length) => sized(`Content-Length: ${Buffer.from(length).toString('latin1')}`)),
  'a length twice, or named in another way': [
    sized(`Content-Length: 0\r\nContent-Length: ${INNER.length}`, INNER),
    sized(`Content-Length: ${INNER.length}\r\nContent-Length: 0`, INNER),
    sized('Content-Length: 0\r\ncontent-length: 0'),
    sized('Content-Length : 0'),
    sized('Content-Length\x00: 0'),
    sized(`X: y\rContent-Length: ${INNER.length}`, INNER),
  ],
  'chunks that are none': [
    ...['0x0', '-0', '+0', ' 0', '0 ', '0_', '٠', '', 'g', '0;\n', '0;a\nb', '0;a\rb', '0\x00'].map(
      (size) => `${Buffer.from(size).toString('latin1')}\r\n\r\n`,
    ),
    ...['10000000000000000', 'fffffffffffffffff', '8000000000000000000'].map((size) => `${size}\r\nx\r\n${LAST}`),
    ...['0\n\n', '0\r\r', '1\r\nxx\r\n0\r\n\r\n', '1\r\nx\n0\r\n\r\n', '1\nx\r\n0\r\n\r\n', `1\r\nx${LAST}`],
    `1;${'a'.repeat(20_000)}\r\nx\r\n${LAST}`,
    `0\r\nno trailer\r\n\r\n`,
    `0\r\nContent-Length: 5\r\n\r\n`,
    `0\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
  ].map(inChunks),
  'lines that end or go on where they should not': [
    `GET /v1/Services HTTP/1.1\nHost: proxy.example.com\n\n`,
    `GET /v1/Services HTTP/1.1\r\nHost: proxy.example.com\nX: y\r\n\r\n`,
    `GET /v1/Services HTTP/1.1\r\nHost: proxy.example.com\rX: y\r\n\r\n`,
    ...['X: a\r\n b', ' X: a', 'X: a\rb', 'X: a\nb', 'X: a\r\n\n', 'Host: b\r\n c'].map(
      (field) => `${GET}${field}\r\n\r\n`,
    ),
  ],
  'headers that are none': [
    ...[
      'Xa',
      ': a',
      'X : a',
      'X\t: a',
      'X(: a',
      'X\xe9: a',
      'X\x00: a',
      'X: a\x00b',
      'X: a\x01b',
      'X: a\x7fb',
      'X y: z',
    ],
    `X: ${'a'.repeat(20_000)}`,
    'a:\r\n'.repeat(101).trim(),
    'a:\r\n'.repeat(2_500) + HOST.trim(),
  ].map((field) => `${GET}${field}\r\n\r\n`),
  'a host twice, or none': [
    `${GET}${HOST}\r\n`,
    `${GET}host: evil.example\r\n\r\n`,
    'GET /v1/Services HTTP/1.1\r\n\r\n',
    ...['', 'a/b', 'a, b', 'user@a', 'a b', 'a:b', 'a:1:2', '[::1', 'a#b', 'a?b', 'a\\b', '<a>'].map(
      (host) => `GET /v1/Services HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    ),
  ],
  'other headers that there is one of': [
    `${GET}Authorization: Basic YQ==\r\nauthorization: Basic Yg==\r\n\r\n`,
    sized('Content-Length: 0\r\nContent-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded'),
  ],
  'addresses that are none': [
    ...[
      'http://proxy.example.com/',
      'https://evil.example/',
      '*',
      'x',
      'proxy.example.com:80',
      '\\',
      '/\xe9',
      '/a b',
      '/a#b',
    ],
    ...['/\x00', '/\x7f', `/${'a'.repeat(20_000)}`, '?x', '//\t', '/a\x0bb'],
  ].map((target) => `GET ${target} HTTP/1.1\r\n${HOST}\r\n`),
  'a tunnel': [`CONNECT proxy.example.com:80 HTTP/1.1\r\n${HOST}\r\n${INNER}`, `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
  'versions that are none': [
    'GET /v1/Services\r\n\r\n',
    `GET /v1/Services \r\n${HOST}\r\n`,
    ...['HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'HTTP/1.1x', 'http/1.1', 'HTTP/01.1', 'ICE/1.0', 'HTTP/1.', 'HTTP /1.1'],
  ].map((line) => (line.includes('\r') ? line : `GET /v1/Services ${line}\r\n${HOST}\r\n`)),
  'methods that are none': ['get', 'FOO', 'GET\t/', '\x16\x03\x01', '\xef\xbb\xbfGET', ' GET', 'PRI'].map(
    (method) => `${method} /v1/Services HTTP/1.1\r\n${HOST}\r\n`,
  ),
  'a body where none belongs': [
    `${GET}Content-Length: ${INNER.length}\r\n\r\n${INNER}`,
    `${GET}Transfer-Encoding: chunked\r\n\r\n${chunk(INNER)}${LAST}`,
    `HEAD /v1/Services HTTP/1.1\r\n${HOST}Content-Length: ${INNER.length}\r\n\r\n${INNER}`,
  ],
  'something that we do not do': [sized(`Expect: 200-ok\r\nContent-Length: ${INNER.length}`, INNER)],
}

/** What is unusual and says one thing only; with the statuses of all answers, the last that of `FINAL`. */
export const UNUSUAL: [name: string, bytes: string, ...statuses: number[]][] = [
  ['a request', sized(`Content-Length: ${INNER.length}`, INNER), 404, 200],
  ['chunks', inChunks(chunk(INNER) + LAST), 404, 200],
  ['a chunk extension', inChunks(`${INNER.length.toString(16)};a="b"\r\n${INNER}\r\n0;c\r\n\r\n`), 404, 200],
  ['a trailer', inChunks(`0\r\nX-Y: z\r\nHost: evil.example\r\n\r\n`), 404, 200],
  ['white space around a value', chunked('Transfer-Encoding:\t CHUNKED', chunk(INNER) + LAST), 404, 200],
  ['empty lines before', `\r\n\r\n${GET}\r\n`, 401, 200],
  ['bytes of text in a header', `${GET}X: \xe4\xf6\xfc\r\n\r\n`, 401, 200],
  ['a hundred headers', `${GET}${'a: b\r\n'.repeat(99)}\r\n`, 401, 200],
  ['a body after it may come', sized(`Expect: 100-continue\r\nContent-Length: ${INNER.length}`, INNER), 100, 404, 200],
  ['a length of nothing', `${GET}Content-Length: 0\r\n\r\n`, 401, 200],
  ['a host in brackets', `GET /v1/Services HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n`, 401, 200],
  ['a protocol that Node reads as HTTP/1.0', `GET /v1/Services RTSP/1.0\r\n${HOST}\r\n`, 401],
  // The rest of such a connection belongs to a protocol that we do not speak, so it ends with the answer.
  ['an upgrade', `${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n`, 401],
  [
    'an upgrade with a body',
    sized(`Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: ${INNER.length}`, INNER),
    404,
  ],
  ['an upgrade to a web socket', `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`, 401],
]
