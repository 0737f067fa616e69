import assert from 'node:assert/strict'
import type dns from 'node:dns'
import { test } from 'node:test'
import { Agent } from 'undici'
import { createAddressCheck, createGuard } from '../src/callbacks/guard.ts'
import { post } from '../src/callbacks/post.ts'
import { callback, openGuard } from './support/callback-request.ts'
import { startReceiver } from './support/receiver.ts'

// Of each reserved network one address, the first or the last where that is the likelier mistake.
const RESERVED = [
  '0.0.0.0',
  '0.255.255.255',
  '10.0.0.1',
  '10.255.255.255',
  '100.64.0.1',
  '100.127.255.255',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.0.1',
  '192.168.255.255',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::1',
  '100::1',
  '2001::1',
  '2001:2::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '3fff::1',
  '5f00::1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fec0::1',
  'ff02::1',
]
const PUBLIC = ['1.1.1.1', '9.9.9.9', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1']

/** The spellings of one address that a URL may hold. */
function spellings(address: string): string[] {
  if (address.includes(':')) return [`[${address}]`]
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number]
  const whole = ((a * 256 + b) * 256 + c) * 256 + d
  const hex = (n: number) => n.toString(16)
  return [
    address,
    `${address}.`,
    String(whole),
    `0x${hex(whole)}`,
    `0x${hex(a)}.${whole - a * 2 ** 24}`,
    [a, b, c, d].map((n) => `0${n.toString(8)}`).join('.'),
    `${a}.${b}.${c * 256 + d}`,
    `[::ffff:${address}]`,
    `[::ffff:${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
    [...address].map((char) => (char === '.' ? '。' : String.fromCharCode(char.charCodeAt(0) + 0xfee0))).join(''),
  ]
}

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

test('no reserved address is reached, in any spelling, directly or by name', async (t) => {
  const guard = openGuard(t, [])
  for (const address of RESERVED) {
    for (const host of spellings(address)) {
      const answer = await post(callback(`http://${host}:9/`), guard)
      assert.match(answer.outcome === 'failed' ? answer.error : '', /^Callbacks may not reach/, host)
      assert.ok(!(answer as { error: string }).error.includes(address), 'the reason does not quote the address')
    }
    const named = await post(callback('http://app.example:9/'), openGuard(t, [], resolver([address])))
    assert.match(named.outcome === 'failed' ? named.error : '', /^Callbacks may not reach/, `by name: ${address}`)
  }
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

test('a name that comes to mean a private address is refused on the next connection', async (t) => {
  const receiver = await startReceiver(t, () => ({ headers: { connection: 'close' } }))
  // 127.0.0.1 plays the public address here, and 127.0.0.2, on which the receiver would be as reachable, the private one.
  const guard = openGuard(t, ['127.0.0.1/32'], resolver(['127.0.0.1'], ['127.0.0.2']))
  const url = `http://app.example:${receiver.port}/`
  assert.equal((await post(callback(url), guard)).outcome, 'answered')
  assert.equal((await post(callback(url), guard)).outcome, 'failed')
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
  for (const host of spellings('127.0.0.1').filter((spelling) => !spelling.includes('ffff'))) {
    const answer = await post(callback(`http://${host}:${receiver.port}/`), guard)
    assert.equal(answer.outcome, 'answered', host)
  }
  assert.equal((await post(callback('http://10.0.0.1/'), guard)).outcome, 'failed')
  assert.throws(() => createGuard({ allow: ['everything'] }))
})
