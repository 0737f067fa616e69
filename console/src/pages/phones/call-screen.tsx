import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react'
import useSWR from 'swr'
import { type ApiError, get } from '../../api/http.ts'
import { useAction } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { ErrorNote } from '../../kit/states.tsx'
import s from './call.module.css'
import { spaced } from './people.ts'
import { actOnCall, type Call, pressKey } from './simulator.ts'
import { clockText } from './threads.ts'

type Props = {
  /** Of the phone itself. */
  number: string
  call: Call
  look: () => void
}

/** A phone that rings, calls or is in a call. */
export function CallScreen({ number, call, look }: Props) {
  const [hasKeys, setKeys] = useState(false)
  const keys = useId()
  const { busy, error, run } = useAction(async (action: 'answer' | 'reject' | 'hangup') => {
    await actOnCall(call.sid, action, number)
    look()
  })
  const isTalking = call.state === 'in-progress'
  const isAsked = call.direction === 'inbound' && !isTalking
  const title = isAsked ? 'Incoming call' : isTalking ? 'In a call' : 'Calling'
  return (
    // Who was writing when it began to ring goes on here, but not on a button that the next key would press.
    <section
      className={s.call}
      aria-label={title}
      data-state={call.state}
      data-keys={(hasKeys && isTalking) || undefined}
      data-first={isAsked || undefined}
      tabIndex={-1}
    >
      <p className={s.number}>{spaced(call.number)}</p>
      <p className={s.state}>{isTalking ? <Clock /> : title}</p>
      <Heard sid={call.sid} number={number} />
      {hasKeys && isTalking && <Keypad id={keys} sid={call.sid} number={number} />}
      <ErrorNote error={error} />
      <footer>
        {isAsked ? (
          <>
            <RoundButton kind="end" name="Reject" busy={busy} onClick={() => run('reject')} />
            <RoundButton kind="answer" name="Answer" busy={busy} onClick={() => run('answer')} />
          </>
        ) : (
          <>
            {isTalking && (
              <Button
                icon="numbers"
                look="quiet"
                className={s.keys ?? ''}
                aria-expanded={hasKeys}
                aria-controls={keys}
                onClick={() => setKeys(!hasKeys)}
              >
                Keypad
              </Button>
            )}
            <RoundButton kind="end" name="Hang up" isFirst busy={busy} onClick={() => run('hangup')} />
          </>
        )}
      </footer>
    </section>
  )
}

type Round = { kind: 'answer' | 'end'; name: string; isFirst?: boolean; busy: boolean; onClick: () => void }

const RoundButton = ({ kind, name, isFirst, busy, onClick }: Round) => (
  <span className={s.round}>
    <Button
      className={kind === 'end' ? `${s.disc} ${s.end}` : (s.disc ?? '')}
      icon="call"
      aria-label={name}
      busy={busy}
      data-first={isFirst}
      onClick={onClick}
    />
    <span aria-hidden="true">{name}</span>
  </span>
)

function Clock() {
  const [start] = useState(Date.now)
  const [now, setNow] = useState(start)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [])
  return <span role="timer">{clockText((now - start) / 1_000)}</span>
}

type Sound = { kind: string; text?: string; digits?: string }
type Legs = { legs: { number: string; heard: Sound[] }[] }

const SOUNDS: Record<string, string> = {
  ring: 'It rings at the other end.',
  voice: 'You hear each other.',
  beep: 'A tone.',
  play: 'A recording is played.',
  'busy-tone': 'A busy tone.',
}

/** What comes out of this phone. */
function Heard({ sid, number }: { sid: string; number: string }) {
  const { data } = useSWR<Legs>(`/simulator/calls/${sid}`, (path: string) => get<Legs>(path), { refreshInterval: 700 })
  const sound = data?.legs.findLast((leg) => leg.number === number)?.heard.findLast(({ kind }) => kind !== 'pause')
  const text = sound && (sound.text ? `“${sound.text}”` : SOUNDS[sound.kind])
  return (
    <p className={s.heard} role="status">
      {text}
    </p>
  )
}

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#']
const NAMES: Record<string, string> = { '*': 'Star', '#': 'Hash' }

function Keypad({ id, sid, number }: { id: string; sid: string; number: string }) {
  const [pressed, setPressed] = useState('')
  const [error, setError] = useState<ApiError>()
  const sent = useRef<Promise<unknown>>(Promise.resolve())
  const press = (key: string) => {
    setPressed((before) => before + key)
    // However fast they are pressed, they arrive in their order.
    sent.current = sent.current.then(() => pressKey(sid, number, key)).catch(setError)
  }
  const onKeyDown = ({ key, ctrlKey, metaKey, altKey }: KeyboardEvent) => {
    if (KEYS.includes(key) && !ctrlKey && !metaKey && !altKey) press(key)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys of a keyboard do what the buttons within do
    <div id={id} className={s.keypad} onKeyDown={onKeyDown}>
      <output aria-label="Pressed">{pressed.slice(-14)}</output>
      {KEYS.map((key) => (
        <button key={key} type="button" className={s.key} aria-label={NAMES[key] ?? key} onClick={() => press(key)}>
          {key}
        </button>
      ))}
      <ErrorNote error={error} />
    </div>
  )
}
