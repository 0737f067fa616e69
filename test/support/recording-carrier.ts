import type { TestContext } from 'node:test'
import { recordRecording } from '../../src/core/recordings.ts'
import { newSid } from '../../src/core/sid.ts'
import { makeService, openSession, type Pool, rows, type SessionBody } from './proxy-api.ts'
import { type ReceiverAnswer, startReceiver } from './receiver.ts'
import type { TestServer } from './server.ts'
import { startTwilioServer } from './twilio-server.ts'

/** A call as a carrier brought it, in a session. */
export type Call = { service: Pool; session: SessionBody; sid: string; path: string }

/**
 * A server whose carrier holds recordings and nothing else, at a socket of its own: `hold` puts one there, `holds` says
 * whether it is still there, and `fault` is what every request meets while it is set.
 */
export async function startRecordingServer(t: TestContext) {
  const held = new Map<string, ReceiverAnswer>()
  const carrier = { fault: undefined as ReceiverAnswer | undefined }
  const at = await startReceiver(t, ({ method, target }) => {
    if (carrier.fault) return carrier.fault
    const [, sid = ''] = /\/Recordings\/(RE\w+)\.(wav|json)$/.exec(target) ?? []
    const recording = held.get(sid)
    if (!recording) return { status: 404, body: JSON.stringify({ code: 20404, message: 'Not found', status: 404 }) }
    if (method === 'DELETE') held.delete(sid)
    return method === 'DELETE' ? { status: 204 } : recording
  })
  const { server, twilio, account } = await startTwilioServer(t, { base_url: async () => at.url })

  /** A recording at the carrier, as its report names it. */
  const hold = (answer: ReceiverAnswer = { headers: { 'content-type': 'audio/x-wav' }, body: 'RIFF…' }) => {
    const sid = newSid('RE')
    held.set(sid, answer)
    const url = `${at.url}/2010-04-01/Accounts/${twilio.account_sid}/Recordings/${sid}`
    return { carrier_recording_id: sid, url, duration_s: 7 }
  }

  const report = (call: Call, finished = hold(), kind: 'call' | 'voicemail' = 'call') =>
    recordRecording(server.store, legOf(server, call), kind, finished)

  return {
    server,
    account,
    hold,
    report,
    /** One that the server has been told of. */
    recorded: async (call: Call, answer?: ReceiverAnswer) => {
      const finished = hold(answer)
      await report(call, finished)
      return { ...finished, path: `${call.path}/${finished.carrier_recording_id}` }
    },
    holds: ({ carrier_recording_id }: { carrier_recording_id: string }) => held.has(carrier_recording_id),
    requests: at.requests,
    fail: (fault: ReceiverAnswer | undefined) => {
      carrier.fault = fault
    },
  }
}

export const legOf = (server: TestServer, { service, sid }: Call) => ({
  service_sid: service.sid,
  sid,
  carrier_sid: server.account.carrier_sid,
})

/** `path` leads to the recordings of the call. */
export async function makeCall(
  server: TestServer,
  service?: Pool,
  { carrier_sid, sid: account_sid } = server.account,
): Promise<Call> {
  const pool = service ?? (await makeService(server, 0))
  const session = await openSession(server, pool)
  const sid = newSid('KI')
  await rows(
    server,
    `insert into interactions (service_sid, sid, account_sid, carrier_sid, event_id, session_sid, type, origin, outcome)
     values ($1, $2, $3, $4, $2, $5, 'voice', 'inbound', 'relayed')`,
    [pool.sid, sid, account_sid, carrier_sid, session.sid],
  )
  return { service: pool, session, sid, path: `/maskline${session.path}/Interactions/${sid}/Recordings` }
}
