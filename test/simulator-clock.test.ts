import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createClock, MACHINE_TIME } from '../src/carriers/simulator/clock.ts'
import {
  ACCOUNT,
  BOB,
  OTHER_ACCOUNT,
  outbound,
  STARTED,
  startClock,
  startNetwork,
} from './support/simulator-network.ts'

const secondsOf = (date: Date) => (date.getTime() - STARTED) / 1000

test('what is due happens in its order and at its own moment, with what follows from it, and the rest waits', async () => {
  const clock = createClock(startClock())
  const happened: string[] = []
  const note = (what: string) => () => void happened.push(`${what} ${secondsOf(clock.now())}`)
  clock.schedule(note('late'), 5000)
  clock.schedule(() => {
    note('first')()
    clock.schedule(note('followed'), 1000)
  }, 1000)
  clock.schedule(note('same'), 1000)
  const takeBack = clock.schedule(note('never'), 1500)
  clock.schedule(note('too late'), 5001)
  takeBack()
  assert.equal(secondsOf(await clock.advance(5000)), 5)
  assert.deepEqual(happened, ['first 1', 'same 1', 'followed 2', 'late 5'])
  await clock.advance(1)
  assert.deepEqual(happened.slice(4), ['too late 5.001'])
})

test('what is asked outside is waited for before time moves on, however long it really takes', async (t) => {
  const server = createServer((_request, response) => response.end('here')).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const clock = createClock(startClock())
  const happened: string[] = []
  clock.schedule(async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const answer = await clock.outside(async () => await (await fetch(url)).text())
    happened.push(`${answer} ${secondsOf(clock.now())}`)
    await clock.wait(500)
    happened.push(`then ${secondsOf(clock.now())}`)
  }, 1000)
  clock.schedule(() => happened.push(`timer ${secondsOf(clock.now())}`), 2000)
  await clock.advance(3000)
  assert.deepEqual(happened, ['here 1', 'then 1.5', 'timer 2'])
})

test('an outside that fails is over, too, and two advances come one after the other', async () => {
  const clock = createClock(startClock())
  await assert.rejects(clock.outside(() => Promise.reject(new Error('away'))))
  const [first, second] = await Promise.all([clock.advance(1000), clock.advance(500)])
  assert.deepEqual([secondsOf(first), secondsOf(second)], [1, 1.5])
})

test('time that was advanced goes on from there by itself', async () => {
  const source = startClock()
  const clock = createClock(source)
  const happened: number[] = []
  clock.schedule(() => happened.push(secondsOf(clock.now())), 10_000)
  await clock.advance(9000)
  await source.advance(999)
  assert.deepEqual(happened, [])
  await source.advance(1)
  assert.deepEqual([happened, secondsOf(clock.now()), source.pending], [[10], 10, 0])
})

test('what is due later than a machine can count is not early', async () => {
  const source = startClock()
  const clock = createClock(source)
  const happened: number[] = []
  const month_ms = 31 * 24 * 3600_000
  clock.schedule(() => happened.push(secondsOf(clock.now())), month_ms)
  await source.advance(month_ms - 1)
  assert.deepEqual(happened, [])
  await source.advance(1)
  assert.deepEqual(happened, [month_ms / 1000])
})

test('by the time of the machine what is due comes by itself', async () => {
  const clock = createClock(MACHINE_TIME)
  const before = Date.now()
  const kept = new Promise<Date>((resolve) => clock.schedule(() => resolve(clock.now()), 20))
  clock.schedule(() => assert.fail('it was taken back'), 10)()
  // A timer of the network keeps no process alive, so this one does.
  const alive = setInterval(() => undefined, 1000)
  const then = await kept
  clearInterval(alive)
  assert.ok(then.getTime() >= before + 19)
})

test('a message that takes its time arrives and is reported when its account’s clock has moved, and only its', async () => {
  const { network, carrier, heard } = startNetwork()
  await carrier.sendMessage(outbound({ to: '+12025550114' }))
  await network.clockOf(OTHER_ACCOUNT).advance(60_000)
  await network.clockOf(ACCOUNT).advance(29_999)
  assert.deepEqual([heard.reports, network.messagesOf(ACCOUNT, '+12025550114')], [['sent'], []])
  await network.clockOf(ACCOUNT).advance(1)
  assert.deepEqual(heard.reports, ['sent', 'delivered'])
  const [message] = network.messagesOf(ACCOUNT, '+12025550114')
  assert.equal(secondsOf(message?.date ?? assert.fail('it arrived')), 30)
  assert.deepEqual(network.messagesOf(ACCOUNT, BOB), [])
})

test('a clock that was stopped moves by advances alone, and goes on from there once it is started', async () => {
  const source = startClock()
  const clock = createClock(source)
  const happened: string[] = []
  const note = (what: string) => () => void happened.push(`${what} ${secondsOf(clock.now())}`)
  clock.stop()
  clock.schedule(note('now'), 0)
  clock.schedule(note('later'), 2000)
  await source.advance(5000)
  assert.deepEqual([secondsOf(clock.now()), happened], [0, ['now 0']])
  await clock.advance(2000)
  assert.deepEqual([secondsOf(clock.now()), happened], [2, ['now 0', 'later 2']])
  clock.schedule(note('running'), 1000)
  clock.start()
  await source.advance(1000)
  assert.deepEqual([secondsOf(clock.now()), happened.at(-1)], [3, 'running 3'])
})
