import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import dns from 'node:dns'
import { type TestContext, test } from 'node:test'
import { Agent } from 'undici'
import { createAddressCheck, createGuard } from '../src/callbacks/guard.ts'
import { type Answer, post } from '../src/callbacks/post.ts'
import { callback, openGuard } from './support/callback-request.ts'
import { startReceiver } from './support/receiver.ts'

/**
 * The special-purpose registries of IANA for IPv4 and IPv6 (https://www.iana.org/assignments/iana-ipv4-special-registry and
 * …/iana-ipv6-special-registry), multicast, and what of IPv6 nobody has been given: of each the first or the last address,
 * or one with a private address in it.
 */
const RESERVED: Record<string, string[]> = {
  'this network': ['0.0.0.0', '0.255.255.255'],
  'private use': ['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '192.168.255.255'],
  'shared address space': ['100.64.0.1', '100.127.255.255'],
  loopback: ['127.0.0.1', '127.255.255.254'],
  'link local, and the metadata of clouds': ['169.254.0.1', '169.254.169.254'],
  'IETF protocol assignments': ['192.0.0.1', '192.0.0.255'],
  'IPv4 service continuity': ['192.0.0.7'],
  'IPv4 dummy address': ['192.0.0.8'],
  'port control protocol anycast': ['192.0.0.9'],
  'TURN anycast': ['192.0.0.10'],
  'NAT64 discovery': ['192.0.0.170', '192.0.0.171'],
  'documentation 1': ['192.0.2.1'],
  AS112: ['192.31.196.1'],
  AMT: ['192.52.193.1'],
  '6to4 relay anycast': ['192.88.99.1', '192.88.99.2'],
  'direct delegation AS112': ['192.175.48.1'],
  benchmarking: ['198.18.0.1', '198.19.255.255'],
  'documentation 2': ['198.51.100.1'],
  'documentation 3': ['203.0.113.1'],
  multicast: ['224.0.0.1', '239.255.255.255'],
  'future use': ['240.0.0.1'],
  broadcast: ['255.255.255.255'],
  'IPv6 unspecified': ['::'],
  'IPv6 loopback': ['::1'],
  'IPv4-compatible': ['::7f00:1'],
  'IPv4-mapped': ['::ffff:169.254.169.254'],
  'IPv4-translated': ['::ffff:0:127.0.0.1'],
  NAT64: ['64:ff9b::7f00:1', '64:ff9b::10.0.0.1'],
  'local NAT64': ['64:ff9b:1::1'],
  'discard only': ['100::1'],
  'IPv6 dummy prefix': ['100:0:0:1::1'],
  'IPv6 protocol assignments': ['2001:1::1', '2001:1ff:ffff::1'],
  Teredo: ['2001::1', '2001:0:7f00:1::1'],
  'IPv6 benchmarking': ['2001:2::1'],
  'IPv6 AMT': ['2001:3::1'],
  'IPv6 AS112': ['2001:4:112::1', '2620:4f:8000::1'],
  ORCHID: ['2001:10::1', '2001:20::1'],
  'drone remote id': ['2001:30::1'],
  'IPv6 documentation': ['2001:db8::1', '3fff::1'],
  '6to4': ['2002:7f00:1::', '2002:a00:1::1'],
  'segment routing': ['5f00::1'],
  'unique local': ['fc00::1', 'fd00:ec2::254'],
  'IPv6 link local': ['fe80::1', 'febf::1'],
  'IPv6 site local': ['fec0::1'],
  'IPv6 multicast': ['ff02::1'],
  'given to nobody': ['1::1', '4000::1', 'e000::1'],
}
const ADDRESSES = Object.values(RESERVED).flat()
const PUBLIC = ['1.1.1.1', '9.9.9.9', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1']

/** The spellings of one address that a URL may hold. */
function spellings(address: string): string[] {
  if (address.includes(':')) return [`[${address}]`, `[${address.toUpperCase()}]`]
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number]
  const whole = ((a * 256 + b) * 256 + c) * 256 + d
  const hex = (n: number) => n.toString(16)
  const inOtherDigits = (zero: number, dot: string) =>
    [...address].map((char) => (char === '.' ? dot : String.fromCodePoint(zero + Number(char)))).join('')
  return [
    address,
    `${address}.`,
    String(whole),
    `0x${hex(whole)}`,
    `0X${hex(whole).toUpperCase()}`,
    `0${whole.toString(8)}`,
    `0x${hex(a)}.${whole - a * 2 ** 24}`,
    [a, b, c, d].map((n) => `0${n.toString(8)}`).join('.'),
    [a, b, c, d].map((n) => `0x000${hex(n)}`).join('.'),
    `${a}.${b}.${c * 256 + d}`,
    [...address].map((char) => `%${hex(char.charCodeAt(0))}`).join(''),
    `user:password@${address}`,
    `[::ffff:${address}]`,
    `[::FFFF:${address}]`,
    `[0:0:0:0:0:ffff:${address}]`,
    `[::ffff:${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
    inOtherDigits(0xff10, '。'),
    inOtherDigits(0x1d7ce, '．'),
    inOtherDigits(0x1d7f6, '｡'),
  ]
}

/** What no URL may hold at all. */
const UNREADABLE = [
  '[fe80::1%25eth0]',
  '[fe80::1%eth0]',
  '[::1',
  '127.0.0.1%00',
  '256.1.1.1',
  '1.2.3.4.5',
  '0x7f.1.1.1.1',
]

/** A resolver that gives these answers, one after the other, and the last one for ever. */
function resolver(...answers: string[][]): typeof dns.lookup {
  return ((_name: string, _options: object, done: (error: null, found: object[]) => void) => {
    const addresses = answers.length > 1 ? answers.shift()! : answers[0]!
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }) as typeof dns.lookup
}

const REFUSED = /^Callbacks may not reach/

const reasonOf = (answer: Answer) => (answer.outcome === 'failed' ? answer.error : `It answered ${answer.status_code}.`)

test('no reserved address is reached, in any spelling, directly or by name', async (t) => {
  assert.ok(ADDRESSES.length >= 37)
  const guard = openGuard(t, [])
  for (const address of ADDRESSES) {
    for (const host of spellings(address)) {
      const reason = reasonOf(await post(callback(`http://${host}:9/`), guard))
      assert.match(reason, REFUSED, host)
      assert.ok(!reason.includes(address), 'the reason does not quote the address')
    }
    const named = await post(callback('http://app.example:9/'), openGuard(t, [], resolver([address])))
    assert.match(reasonOf(named), REFUSED, `by name: ${address}`)
  }
  for (const host of UNREADABLE) {
    assert.equal(reasonOf(await post(callback(`http://${host}:9/`), guard)), 'The URL cannot be read.', host)
  }
})

test('no reserved address is reached by a redirect, whatever the status', async (t) => {
  const inside = await startReceiver(t)
  const guard = openGuard(t, ['127.0.0.1/32'])
  for (const status of [301, 302, 303, 307, 308]) {
    for (const reads of ['body', 'status'] as const) {
      const outside = await startReceiver(t, () => ({
        status,
        headers: { location: `${inside.url}/latest/meta-data` },
      }))
      const answer = await post(callback(outside.url, { reads }), guard)
      assert.equal(answer.outcome === 'answered' && answer.status_code, status)
    }
  }
  assert.equal(inside.connections, 0)
})

test('no reserved address is reached by a name that comes to mean it, nor over a connection that was kept', async (t) => {
  const receiver = await startReceiver(t)
  for (const address of ADDRESSES.filter((one) => one !== '127.0.0.1')) {
    // 127.0.0.1 plays the public address here.
    const guard = openGuard(t, ['127.0.0.1/32'], resolver(['127.0.0.1'], [address]))
    const tell = async (close: boolean) => {
      receiver.answer = () => (close ? { headers: { connection: 'close' } } : {})
      // The client takes a connection again in its next turn.
      await new Promise((turn) => setImmediate(() => setImmediate(turn)))
      return await post(callback(`http://app.example:${receiver.port}/#rc=0`), guard)
    }
    const connections = receiver.connections
    for (const close of [false, true]) assert.equal((await tell(close)).outcome, 'answered', address)
    assert.equal(receiver.connections, connections + 1, 'the connection that was checked is kept')
    assert.match(reasonOf(await tell(false)), REFUSED, address)
  }
})

/** A name server on this machine that gives these addresses, one after the other, and the last one for ever. */
async function startNameServer(t: TestContext, ...answers: string[]) {
  const socket = createSocket('udp4', (query, from) => {
    const address = answers.length > 1 ? answers.shift()! : answers[0]!
    const question = query.subarray(12, query.indexOf(0, 12) + 5)
    const head = Buffer.from([query[0]!, query[1]!, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)])
    socket.send(Buffer.concat([head, question, record]), from.port, from.address)
  })
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound))
  t.after(() => socket.close())
  const asking = new dns.Resolver()
  asking.setServers([`127.0.0.1:${socket.address().port}`])
  return ((name: string, _options: object, done: (error: Error | null, found: object[]) => void) =>
    asking.resolve4(name, (error, found) =>
      done(error, error ? [] : found.map((address) => ({ address, family: 4 }))),
    )) as unknown as typeof dns.lookup
}

test('a name server that answers a public address first gains nothing, and control: a guard that asks twice leaks', async (t) => {
  const receiver = await startReceiver(t)
  const url = `http://app.example:${receiver.port}/`
  // The documentation's address plays the public one, which nobody has.
  const guard = openGuard(t, ['192.0.2.1/32'], await startNameServer(t, '192.0.2.1', '127.0.0.1'))
  assert.doesNotMatch(reasonOf(await post(callback(`${url}#rc=0&ct=100`), guard)), REFUSED)
  assert.match(reasonOf(await post(callback(`${url}#rc=0&ct=100`), guard)), REFUSED)
  assert.equal(receiver.connections, 0)

  const lookup = await startNameServer(t, '192.0.2.1', '127.0.0.1')
  const allowed = createAddressCheck(['192.0.2.1/32'])
  const first = await new Promise<{ address: string }[]>((found) =>
    lookup('app.example', { all: true }, (_, addresses) => found(addresses)),
  )
  assert.ok(first.every(({ address }) => !allowed(address)))
  const asksTwice = new Agent({ connect: { lookup: lookup as never, autoSelectFamily: true } })
  t.after(() => asksTwice.destroy())
  await post(callback(url), { agent: asksTwice })
  assert.equal(receiver.connections, 1, 'control: the weaker guard leaks')
})

test('public addresses may be reached, in any spelling', () => {
  // Asked of the check itself: a test sends no packet to anyone's address.
  const refuse = createAddressCheck([])
  for (const host of PUBLIC.flatMap(spellings)) {
    const { hostname } = new URL(`http://${host}/`)
    assert.equal(refuse(hostname.replace(/[[\]]/g, '')), undefined, host)
  }
})

test('a literal address slips past a guard that only hooks name lookup, and not past ours', async (t) => {
  const receiver = await startReceiver(t)
  const lookup = (_name: string, _options: object, done: (error: Error, address: string) => void) =>
    done(new Error('no'), '')
  const lookupOnly = new Agent({ connect: { lookup } })
  t.after(() => lookupOnly.destroy())
  const leaked = await post(callback(receiver.url), { agent: lookupOnly })
  assert.equal(leaked.outcome, 'answered', 'control: the weaker guard leaks')

  const answer = await post(callback(receiver.url), openGuard(t, []))
  assert.equal(
    answer.outcome === 'failed' && answer.error,
    'Callbacks may not reach an address of this kind (loopback), unless MASKLINE_CALLBACK_ALLOW lists it.',
  )
  assert.equal(receiver.requests.length, 1)
})

test('of several addresses of one name only those that may be reached are tried', async (t) => {
  const receiver = await startReceiver(t)
  const guard = openGuard(t, ['127.0.0.1/32'], resolver(['10.0.0.1', '::1', '127.0.0.1']))
  const answer = await post(callback(`http://app.example:${receiver.port}/`), guard)
  assert.equal(answer.outcome, 'answered')
})

test('a private network is reached when it is allowed, and no other', async (t) => {
  const receiver = await startReceiver(t)
  const guard = openGuard(t, ['127.0.0.0/8', 'fd00::/8'])
  for (const host of spellings('127.0.0.1').filter((spelling) => !/ffff/i.test(spelling))) {
    const answer = await post(callback(`http://${host}:${receiver.port}/`), guard)
    assert.equal(answer.outcome, 'answered', host)
  }
  assert.equal((await post(callback('http://10.0.0.1/'), guard)).outcome, 'failed')
  assert.throws(() => createGuard({ allow: ['everything'] }))
})
