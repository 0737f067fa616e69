import assert from 'node:assert/strict'
import {
  cli,
  firstNumber,
  notFound,
  perform,
  recent,
  run,
  secondNumber,
  sids,
  stranger,
  target,
  withKey,
} from './context.ts'

export async function checkServices() {
  let sid = ''
  await perform('services.create', async () => {
    const service = await cli.one('services:create', {
      'unique-name': `${run}-settings`,
      'default-ttl': 3600,
      'callback-url': 'https://callbacks.example.com/interactions',
      'geo-match-level': 'area-code',
      'number-selection-behavior': 'avoid-sticky',
    })
    sid = service.sid
    assert.match(sid, /^KS[0-9a-f]{32}$/)
    assert.equal(service.accountSid, target.accountSid)
    assert.equal(service.uniqueName, `${run}-settings`)
    assert.equal(service.defaultTtl, 3600)
    assert.equal(service.callbackUrl, 'https://callbacks.example.com/interactions')
    assert.equal(service.geoMatchLevel, 'area-code')
    assert.equal(service.numberSelectionBehavior, 'avoid-sticky')
    assert.equal(service.interceptCallbackUrl, null)
    assert.equal(service.url, `${target.baseUrl}/v1/Services/${sid}`)
    recent(service.dateCreated)
  })
  await perform('services.fetch', async () => {
    assert.equal((await cli.one('services:fetch', { sid })).defaultTtl, 3600)
  })
  await perform('services.fetch-by-name', async () => {
    assert.equal((await cli.one('services:fetch', { sid: `${run}-settings` })).sid, sid)
  })
  await perform('services.update', async () => {
    const changes = {
      'unique-name': `${run}-renamed`,
      'default-ttl': 60,
      'callback-url': 'https://callbacks.example.com/2',
    }
    const service = await cli.one('services:update', { sid, ...changes })
    assert.equal(service.uniqueName, `${run}-renamed`)
    assert.equal(service.defaultTtl, 60)
    assert.equal(service.callbackUrl, 'https://callbacks.example.com/2')
    assert.equal(service.geoMatchLevel, 'area-code')
  })
  await perform('services.list', async () => {
    const mine = [sid]
    for (const letter of ['a', 'b'])
      mine.push((await cli.one('services:create', { 'unique-name': `${run}-${letter}` })).sid)
    const listed = sids(await cli.call('services:list', { 'page-size': 2, 'no-limit': true }))
    assert.deepEqual(
      listed.filter((each) => mine.includes(each)),
      mine,
    )
    for (const each of mine.slice(1)) await cli.remove('services', { sid: each })
  })
  await perform('services.delete', async () => {
    await cli.remove('services', { sid })
    await cli.refused('services:fetch', { sid }, notFound)
  })
  await perform('credentials.api-key', async () => {
    const { sid } = await withKey.one('services:create', { 'unique-name': `${run}-key` })
    assert.equal((await cli.one('services:fetch', { sid })).accountSid, target.accountSid)
    await withKey.remove('services', { sid })
  })
  await perform('errors.not-found', async () => {
    const nowhere = `KS${'0'.repeat(32)}`
    const message = new RegExp(`The requested resource /Services/${nowhere} was not found`)
    await cli.refused('services:fetch', { sid: nowhere }, { ...notFound, message })
  })
  await perform('errors.wrong-token', async () => {
    await stranger.refused('services:list', {}, { status: 401, code: 20003, message: /authenticat/i })
  })
}

export async function checkPhoneNumbers(parent: { 'service-sid': string }) {
  let first = ''
  let second = ''
  await perform('phone-numbers.create-by-number', async () => {
    const number = await cli.one('services:phone-numbers:create', { ...parent, 'phone-number': firstNumber })
    first = number.sid
    assert.match(first, /^PN[0-9a-f]{32}$/)
    assert.equal(number.phoneNumber, firstNumber)
    assert.equal(number.isoCountry, 'US')
    assert.equal(number.isReserved, false)
    assert.equal(number.inUse, 0)
    const reserve = { ...parent, 'phone-number': secondNumber, 'is-reserved': true as const }
    const reserved = await cli.one('services:phone-numbers:create', reserve)
    second = reserved.sid
    assert.equal(reserved.isReserved, true)
  })
  await perform('phone-numbers.fetch', async () => {
    assert.equal((await cli.one('services:phone-numbers:fetch', { ...parent, sid: first })).phoneNumber, firstNumber)
  })
  await perform('phone-numbers.list', async () => {
    const listed = await cli.call('services:phone-numbers:list', { ...parent, 'page-size': 1, 'no-limit': true })
    assert.deepEqual(sids(listed).sort(), [first, second].sort())
  })
  await perform('phone-numbers.update', async () => {
    const release = { ...parent, sid: second, 'no-is-reserved': true as const }
    assert.equal((await cli.one('services:phone-numbers:update', release)).isReserved, false)
  })
  await perform('phone-numbers.delete', async () => {
    await cli.remove('services:phone-numbers', { ...parent, sid: second })
    await cli.refused('services:phone-numbers:fetch', { ...parent, sid: second }, notFound)
  })
  await perform('phone-numbers.create-by-sid', async () => {
    const number = await cli.one('services:phone-numbers:create', { ...parent, sid: second })
    assert.equal(number.sid, second)
    assert.equal(number.phoneNumber, secondNumber)
  })
}
