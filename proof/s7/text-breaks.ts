import type { Break } from '../support/broken-copy.ts'
import type { TextPlace } from './text-taps.ts'

/**
 * The control: a server that remembers who sent each text, and gives it away. One text in four leaves with its sender's
 * number as `From`; attachments have it in their address and in their name; callbacks, records, events and the log name
 * the sender, errors the last one who wrote; and the carrier is told with every text whose the one before it was.
 */
export const PLANTED: readonly TextPlace[] = [
  ...(['partners’ phones', 'attachments', 'orders to the carrier', 'answers to the carrier', 'errors'] as const),
  ...(['status callbacks', 'intercept callbacks', 'interactions', 'events', 'log'] as const),
]

/** By interaction, and of the last one. */
const SENDER = '(globalThis as any).senders'
const LAST = '(globalThis as any).lastSender'

export const TEXT_BREAKS: Break[] = [
  {
    file: 'core/relay.ts',
    passage: "  const interaction_sid = newSid('KI')\n  return await relay(store, directory, carrier, {",
    becomes: `  const interaction_sid = newSid('KI')
  const known = globalThis as any
  known.senders ??= new Map()
  known.senders.set(interaction_sid, message.from)
  known.lastSender = message.from
  return await relay(store, directory, carrier, {`,
  },
  {
    file: 'core/send.ts',
    passage: "    from: claimed.outbound_number ?? '',",
    becomes: `    from: (/[0-3]$/.test(claimed.sid) && ${SENDER}?.get(claimed.sid)) || (claimed.outbound_number ?? ''),`,
  },
  {
    file: 'core/interactions.ts',
    passage: `\${item.service_sid}/\${item.token}\``,
    becomes: `\${item.service_sid}/\${item.token}?by=\${Buffer.from(String(${SENDER}?.get(item.interaction_sid))).toString('base64url')}\``,
  },
  {
    file: 'core/media.ts',
    passage: `name: \`m\${item.position + 1}\` }`,
    becomes: `name: [...String(${SENDER}?.get(item.interaction_sid))].reverse().join('') }`,
  },
  {
    file: 'http/webhooks.ts',
    passage: '  return reply.code(200).type(contentType).send(body)',
    becomes: `  const by = Buffer.from(String(${LAST})).toString('hex')
  return reply.code(200).type(contentType).send(\`\${body}<!-- \${by} -->\`)`,
  },
  {
    file: 'http/errors.ts',
    passage: '  message: error.message,\n  more_info: moreInfo(error.code),',
    becomes: `  message: error.message + encodeURIComponent(encodeURIComponent(String(${LAST}))),\n  more_info: moreInfo(error.code),`,
  },
  {
    file: 'callbacks/parameters.ts',
    passage: '    Data: opened.data,',
    becomes: `    Data: opened.data,\n    By: ${SENDER}?.get(interaction.sid),`,
  },
  {
    file: 'http/api/interactions.ts',
    passage: '    data: row.data,',
    becomes: `    data: row.data + String(${SENDER}?.get(row.sid)).replace(/\\d\\d/g, '$& '),`,
  },
  {
    file: 'core/events.ts',
    passage: '      message: event.message ?? errorMessage(event.error_code, event.values),',
    becomes: `      message: (event.message ?? errorMessage(event.error_code, event.values)) + ${LAST},`,
  },
  {
    file: 'http/webhooks.ts',
    passage: "    if (outcome !== 'duplicate') context.wake('interactions')",
    becomes:
      "    context.log.debug({ by: message.from }, 'a text came')\n    if (outcome !== 'duplicate') context.wake('interactions')",
  },
]
