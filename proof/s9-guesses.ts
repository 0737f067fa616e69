import type { Break } from './support/broken-copy.ts'

/** When the look-up fails, the pair of the last time is taken; and of InterceptFailure each value is taken for the other. */
export const GUESSES: Break[] = [
  {
    file: 'core/relay.ts',
    passage:
      '  const row = await relayEventStatement(store.pool, { ...params, is_flood, service_sid, carrier_sid: carrier.sid })\n',
    becomes: `
  const before = (globalThis.before ??= new Map())
  const pair = event.proxy_identifier + ' ' + event.identifier_hash.toString('hex')
  const row = await relayEventStatement(store.pool, { ...params, is_flood, service_sid, carrier_sid: carrier.sid }).catch((error) => {
    const last = before.get(pair)
    if (!last) throw error
    const guess = () => store.pool.query(\`
      insert into interactions (service_sid, sid, account_sid, session_sid, type, origin, outcome, data_sealed, carrier_sid,
        event_id, inbound_participant_sid, inbound_resource_sid, inbound_resource_status, outbound_participant_sid,
        outbound_number, outbound_carrier_sid, stage, due_at)
      select service_sid, $2, account_sid, session_sid, type, origin, outcome, $3, carrier_sid, $4, inbound_participant_sid,
        inbound_resource_sid, inbound_resource_status, outbound_participant_sid, outbound_number, outbound_carrier_sid,
        'send', now() from interactions where sid = $1\`,
      [last, event.interaction_sid, event.data_sealed, event.event_id]).catch(() => setTimeout(guess, 50))
    guess()
    return { outcome: 'relayed', account_sid: '', session_sid: null, sender_sid: null, is_new: true, flood_limit: 0, repeat_limit: 0 }
  })
  if (row?.outcome === 'relayed' && event.type === 'message') before.set(pair, event.interaction_sid)
`,
  },
  {
    file: 'callbacks/intercept.ts',
    passage: "const isLenient = failure === 'proceed'",
    becomes: "const isLenient = failure !== 'proceed'",
  },
]
