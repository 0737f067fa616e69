import { useEffect, useRef, useState } from 'react'
import { type Person, spaced } from './people.ts'
import { activeCall, NO_PHONE, type Phone, type Phones } from './simulator.ts'

/** What has just arrived on some phone, in a sentence for whoever does not see it. */
export function useAnnouncement(people: Person[], phones: Phones): string {
  const [text, setText] = useState('')
  const before = useRef<Phones>(phones)
  useEffect(() => {
    const news = people.flatMap(({ name, number }) => {
      const [then, now] = [before.current[number], phones[number]]
      return then && now ? [newsOf(name, then, now)] : []
    })
    before.current = phones
    const said = news.filter(Boolean).join(' ')
    if (said) setText(said)
  }, [people, phones])
  return text
}

function newsOf(name: string, then: Phone, now: Phone): string | undefined {
  const message = now.messages.at(-1)
  if (message?.direction === 'inbound' && message.sid !== then.messages.at(-1)?.sid) {
    return `${name} got a text from ${spaced(message.from)}: ${message.body || 'a picture'}.`
  }
  const [before, call] = [activeCall(then), activeCall(now)]
  if (call?.state === before?.state && call?.sid === before?.sid) return undefined
  if (!call) return before && `The call on ${name}’s phone is over.`
  if (call.state === 'in-progress') return `${name} is in a call with ${spaced(call.number)}.`
  return call.direction === 'inbound' ? `${name}’s phone rings: ${spaced(call.number)}.` : undefined
}

/** How many of the texts on each phone came since it was last looked at, and whether it rings: for phones out of sight. */
export function useUnseen(people: Person[], phones: Phones, current: string | undefined): Record<string, number> {
  const [seen, setSeen] = useState<Record<string, number>>({})
  const received = (number: string) =>
    phones[number]?.messages.filter(({ direction }) => direction === 'inbound').length ?? 0
  const count = current === undefined ? 0 : received(current)
  useEffect(() => {
    if (current !== undefined) setSeen((before) => ({ ...before, [current]: count }))
  }, [current, count])
  const entries = people.map(({ number }) => [number, Math.max(0, received(number) - (seen[number] ?? 0))] as const)
  return Object.fromEntries(entries)
}

export const isRinging = (phone: Phone | undefined): boolean =>
  activeCall(phone ?? NO_PHONE)?.state === 'ringing' && activeCall(phone ?? NO_PHONE)?.direction === 'inbound'
