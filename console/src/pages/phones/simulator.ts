import { useCallback, useEffect, useRef, useState } from 'react'
import { type ApiError, get, postJson, remove } from '../../api/http.ts'

// The simulated phones, asked as anybody could ask them. What a phone shows is what its owner would see.

export type Message = {
  sid: string
  direction: 'inbound' | 'outbound'
  from: string
  to: string
  body: string
  media_urls: string[]
  date: string
}

export type Call = {
  sid: string
  direction: 'inbound' | 'outbound'
  number: string
  state: 'ringing' | 'in-progress' | 'ended'
  answered: boolean
  duration_s: number | null
  date: string
}

export type Phone = { messages: Message[]; calls: Call[] }
export type Phones = Record<string, Phone>

export const NO_PHONE: Phone = { messages: [], calls: [] }

const EVERY_MS = 400
const AFTER_ERROR_MS = 3_000

/** Looks at all phones again and again while the page is seen, and at once when `look` is called. */
export function usePhones(numbers: string[]): { phones: Phones; error: ApiError | undefined; look: () => void } {
  const [phones, setPhones] = useState<Phones>({})
  const [error, setError] = useState<ApiError>()
  const lookNow = useRef<() => void>(() => undefined)
  const all = numbers.join()
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let state: 'waiting' | 'looking' | 'again' | 'over' = 'waiting'
    const look = async () => {
      clearTimeout(timer)
      if (state !== 'waiting') {
        if (state === 'looking') state = 'again'
        return
      }
      state = 'looking'
      const failure = document.hidden ? undefined : await readPhones(all.split(','), setPhones)
      if (isOver()) return
      setError(failure)
      const again = hasToLookAgain()
      state = 'waiting'
      timer = setTimeout(look, again ? 0 : failure ? AFTER_ERROR_MS : EVERY_MS)
    }
    const isOver = () => state === 'over'
    const hasToLookAgain = () => state === 'again'
    lookNow.current = look
    document.addEventListener('visibilitychange', look)
    look()
    return () => {
      state = 'over'
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', look)
    }
  }, [all])
  return { phones, error, look: useCallback(() => lookNow.current(), []) }
}

async function readPhones(
  numbers: string[],
  set: (change: (before: Phones) => Phones) => void,
): Promise<ApiError | undefined> {
  try {
    const read = await Promise.all(numbers.map(async (number) => [number, await readPhone(number)] as const))
    set((before) => {
      const same = read.every(([number, phone]) => isSame(before[number], phone))
      return same && Object.keys(before).length === read.length ? before : Object.fromEntries(read)
    })
    return undefined
  } catch (error) {
    return error as ApiError
  }
}

async function readPhone(number: string): Promise<Phone> {
  const [{ messages }, { calls }] = await Promise.all([
    get<{ messages: Message[] }>(`/simulator/handsets/${number}/messages`),
    get<{ calls: Call[] }>(`/simulator/handsets/${number}/calls`),
  ])
  return { messages, calls }
}

/** A message never changes, so the newest and their count tell whether the lists are the same. */
const isSame = (before: Phone | undefined, { messages, calls }: Phone) =>
  before?.messages.length === messages.length &&
  before.messages.at(-1)?.sid === messages.at(-1)?.sid &&
  JSON.stringify(before.calls) === JSON.stringify(calls)

export const sendText = (from: string, to: string, body: string, media_urls: string[]) =>
  postJson('/simulator/messages', { from, to, body, media_urls })

export const placeCall = (from: string, to: string) => postJson('/simulator/calls', { from, to })

export const actOnCall = (sid: string, action: 'answer' | 'reject' | 'hangup', number: string) =>
  postJson(`/simulator/calls/${sid}/${action}`, { number })

export const pressKey = (sid: string, number: string, digits: string) =>
  postJson(`/simulator/calls/${sid}/digits`, { number, digits })

/** The call that a phone is busy with. */
export const activeCall = ({ calls }: Phone): Call | undefined => calls.findLast(({ state }) => state !== 'ended')

/** Ends what is under way and empties the phone. */
export async function clearPhone(number: string, phone: Phone): Promise<void> {
  const call = activeCall(phone)
  if (call) {
    const action = call.direction === 'inbound' && call.state === 'ringing' ? 'reject' : 'hangup'
    await actOnCall(call.sid, action, number).catch(() => undefined)
  }
  await remove(`/simulator/handsets/${number}/messages`)
  await remove(`/simulator/handsets/${number}/calls`)
}
