import assert from 'node:assert/strict'
import { connect, NOT_FOUND, perform, recent, refusal, run, services, sids, target } from './context.ts'

/** The settings service is only looked at; the other one gets numbers and sessions. */
export async function checkServices() {
  let settings = ''
  await perform('services.create', async () => {
    const service = await services.create({
      uniqueName: `${run}-settings`,
      defaultTtl: 3600,
      callbackUrl: 'https://callbacks.example.com/interactions',
      geoMatchLevel: 'area-code',
      numberSelectionBehavior: 'avoid-sticky',
    })
    settings = service.sid
    assert.match(service.sid, /^KS[0-9a-f]{32}$/)
    assert.equal(service.accountSid, target.accountSid)
    assert.equal(service.uniqueName, `${run}-settings`)
    assert.equal(service.defaultTtl, 3600)
    assert.equal(service.callbackUrl, 'https://callbacks.example.com/interactions')
    assert.equal(service.geoMatchLevel, 'area-code')
    assert.equal(service.numberSelectionBehavior, 'avoid-sticky')
    assert.equal(service.interceptCallbackUrl, null)
    assert.equal(service.chatInstanceSid, null)
    assert.equal(service.url, `${target.baseUrl}/v1/Services/${service.sid}`)
    assert.equal(service.links.sessions, `${service.url}/Sessions`)
    assert.equal(service.links.phone_numbers, `${service.url}/PhoneNumbers`)
    recent(service.dateCreated)
    assert.equal(service.dateUpdated.getTime(), service.dateCreated.getTime())
  })
  await perform('services.fetch', async () => {
    const service = await services(settings).fetch()
    assert.equal(service.sid, settings)
    assert.equal(service.defaultTtl, 3600)
  })
  await perform('services.fetch-by-name', async () => {
    assert.equal((await services(`${run}-settings`).fetch()).sid, settings)
  })
  await perform('services.update', async () => {
    const service = await services(settings).update({
      uniqueName: `${run}-renamed`,
      defaultTtl: 60,
      callbackUrl: '',
      outOfSessionCallbackUrl: 'https://callbacks.example.com/strangers',
    })
    assert.equal(service.sid, settings)
    assert.equal(service.uniqueName, `${run}-renamed`)
    assert.equal(service.defaultTtl, 60)
    assert.equal(service.callbackUrl, null)
    assert.equal(service.outOfSessionCallbackUrl, 'https://callbacks.example.com/strangers')
    assert.equal(service.geoMatchLevel, 'area-code')
    const unchanged = await services(settings).update()
    assert.equal(unchanged.uniqueName, `${run}-renamed`)
  })
  await perform('services.list', async () => {
    const mine = [settings]
    for (const letter of ['a', 'b', 'c', 'd'])
      mine.push((await services.create({ uniqueName: `${run}-${letter}` })).sid)
    const listed = sids(await services.list({ pageSize: 2 }))
    assert.deepEqual(
      listed.filter((sid) => mine.includes(sid)),
      mine,
    )
    const firstPage = await services.page({ pageSize: 2 })
    assert.equal(firstPage.instances.length, 2)
    assert.equal((await firstPage.nextPage())?.instances.length, 2)
    for (const sid of mine.slice(1)) await services(sid).remove()
  })
  await perform('services.delete', async () => {
    assert.equal(await services(settings).remove(), true)
    await refusal(services(settings).fetch(), NOT_FOUND)
  })
}

export async function checkCredentials() {
  await perform('credentials.api-key', async () => {
    const { sid } = await services.create({ uniqueName: `${run}-key` })
    const withKey = connect(target.apiKey.sid, target.apiKey.secret)
    assert.equal((await withKey(sid).fetch()).accountSid, target.accountSid)
    assert.equal(await withKey(sid).remove(), true)
  })

  await perform('errors.not-found', async () => {
    const nowhere = `KS${'0'.repeat(32)}`
    const message = new RegExp(`The requested resource /Services/${nowhere} was not found`)
    await refusal(services(nowhere).fetch(), { status: 404, code: 20404, message })
  })
  await perform('errors.wrong-token', async () => {
    const stranger = connect(target.accountSid, 'f'.repeat(32))
    await refusal(stranger.list(), { status: 401, code: 20003, message: /authenticat/i })
  })
}
