import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CONTROLS } from '../proof/s4-closes.ts'
import { OWN_CLOCK } from '../proof/s5-expiry.ts'
import { GUESSES } from '../proof/s9-guesses.ts'
import { NO_INDEX } from '../proof/s10-repeats.ts'
import { copyProgram } from '../proof/support/broken-copy.ts'
import type { Carrier, OutboundMessage } from '../src/core/carrier.ts'
import { createCarriers } from '../src/core/carriers.ts'
import { sendClaimed } from '../src/core/send.ts'
import { newSid } from '../src/core/sid.ts'
import { claimInteraction } from '../src/db/statements/claim-interactions.ts'
import { converse } from './support/conversation.ts'
import { makeService, rows, serverForFile } from './support/proxy-api.ts'
import type { TestServer } from './support/server.ts'

const shared = serverForFile()

/** A message that is claimed for its nth try; its session is closed before it is sent. */
async function claimedBeforeClose(server: TestServer, nth: number) {
  const { store, account } = server
  const service = await makeService(server, 2)
  const { session, alice, bob } = await converse(server, service)
  const sid = newSid('KI')
  await rows(
    server,
    `insert into interactions (service_sid, sid, account_sid, session_sid, type, origin, outcome, data_sealed, carrier_sid,
       inbound_participant_sid, outbound_participant_sid, outbound_number, outbound_carrier_sid, stage, due_at, attempts)
     values ($1, $2, $3, $4, 'message', 'inbound', 'relayed', $5, $6, $7, $8, $9, $6, 'send', now() + interval '1 hour', $10)`,
    [
      ...[service.sid, sid, account.sid, session.sid, store.keys.seal(`${sid}/data`, 'hello'), account.carrier_sid],
      ...[alice.sid, bob.sid, bob.proxy, nth - 1],
    ],
  )
  const claimed = await claimInteraction(store.pool, { service_sid: service.sid, sid, lease_s: 3600 })
  assert(claimed)
  assert.deepEqual([claimed.is_live, claimed.attempts, claimed.started_before], [true, nth, null])
  const answer = await server.post(session.path, { Status: 'closed' })
  assert.equal(answer.status, 200)
  return claimed
}

/** Carriers of this server that keep what they are asked to send. */
function watched({ store }: TestServer) {
  const sent: OutboundMessage[] = []
  const simulator = () =>
    ({
      sendMessage: async (message: OutboundMessage) => {
        sent.push(message)
        return { carrier_message_id: newSid('SM'), resource_sid: undefined, status: 'queued' }
      },
    }) as unknown as Carrier
  return { sent, carriers: createCarriers(store, { simulator }) }
}

test('a message that came back from the carrier is looked at again before its next try, and not sent in a closed session', async () => {
  const server = await shared()
  const claimed = await claimedBeforeClose(server, 2)
  const { sent, carriers } = watched(server)
  assert.deepEqual(await sendClaimed(server.store, carriers, claimed), { result: 'canceled' })
  assert.equal(sent.length, 0)
  const [row] = await rows(server, 'select outbound_resource_status, due_at from interactions where sid = $1', [
    claimed.sid,
  ])
  assert.deepEqual(row, { outbound_resource_status: 'canceled', due_at: null })
})

test('a message that was claimed for its first try before the close has begun to leave, and is sent', async () => {
  const server = await shared()
  const claimed = await claimedBeforeClose(server, 1)
  const { sent, carriers } = watched(server)
  assert.deepEqual(await sendClaimed(server.store, carriers, claimed), { result: 'sent' })
  assert.equal(sent.length, 1)
})

test('every passage that a control of the proofs replaces is in the program exactly once', (t) => {
  for (const breaks of [...CONTROLS.map((control) => control.breaks), OWN_CLOCK, GUESSES, NO_INDEX]) {
    const folder = copyProgram(t, breaks)
    for (const { file, becomes } of breaks) assert(readFileSync(join(folder, 'src', file), 'utf8').includes(becomes))
  }
})

test('a control whose passage is not in the program, or there twice, is refused', (t) => {
  for (const passage of ['what nobody wrote', 'export ']) {
    const breaks = [{ file: 'core/relay.ts', passage, becomes: '' }]
    assert.throws(() => copyProgram(t, breaks), /has not exactly one of these/)
  }
})
