import assert from 'node:assert/strict'
import { firstNumber, NOT_FOUND, perform, recent, refusal, secondNumber, services, sids } from './context.ts'

export async function checkPhoneNumbers(service: string) {
  const { phoneNumbers } = services(service)
  let first = ''
  let second = ''
  await perform('phone-numbers.create-by-number', async () => {
    const number = await phoneNumbers.create({ phoneNumber: firstNumber })
    first = number.sid
    assert.match(number.sid, /^PN[0-9a-f]{32}$/)
    assert.equal(number.serviceSid, service)
    assert.equal(number.phoneNumber, firstNumber)
    assert.equal(number.isoCountry, 'US')
    assert.equal(number.isReserved, false)
    assert.equal(number.inUse, 0)
    const { voice, sms, mms, fax } = number.capabilities
    assert.deepEqual({ voice, sms, mms, fax }, { voice: true, sms: true, mms: true, fax: false })
    recent(number.dateCreated)
    const reserved = await phoneNumbers.create({ phoneNumber: secondNumber, isReserved: true })
    second = reserved.sid
    assert.equal(reserved.isReserved, true)
  })
  await perform('phone-numbers.fetch', async () => {
    const number = await phoneNumbers(first).fetch()
    assert.equal(number.sid, first)
    assert.equal(number.phoneNumber, firstNumber)
  })
  await perform('phone-numbers.list', async () => {
    assert.deepEqual(sids(await phoneNumbers.list({ pageSize: 1 })).sort(), [first, second].sort())
  })
  await perform('phone-numbers.update', async () => {
    assert.equal((await phoneNumbers(second).update({ isReserved: false })).isReserved, false)
    assert.equal((await phoneNumbers(second).fetch()).isReserved, false)
  })
  await perform('phone-numbers.delete', async () => {
    assert.equal(await phoneNumbers(second).remove(), true)
    await refusal(phoneNumbers(second).fetch(), NOT_FOUND)
  })
  await perform('phone-numbers.create-by-sid', async () => {
    const number = await phoneNumbers.create({ sid: second })
    assert.equal(number.sid, second)
    assert.equal(number.phoneNumber, secondNumber)
  })
}
