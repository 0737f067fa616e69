import { type Ref, type RefObject, useImperativeHandle, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { useAction } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { CallScreen } from './call-screen.tsx'
import { type Draft, EMPTY_DRAFT } from './composer.tsx'
import { Conversation } from './conversation.tsx'
import { useFocusKept } from './focus.ts'
import s from './handset.module.css'
import { type Person, spaced } from './people.ts'
import { activeCall, type Phone, placeCall, sendText } from './simulator.ts'
import { ThreadList } from './thread-list.tsx'
import { threadsOf } from './threads.ts'

/** What the guide can do with a phone: have a text ready in the hands of whoever looks at it. */
export type HandsetHandle = { compose: (number: string, body: string) => void }

type Props = {
  person: Person
  phone: Phone
  /** The proxy numbers that its owner has been given. */
  known: string[]
  isCurrent: boolean
  /** Has all phones looked at, after something was done on this one. */
  look: () => void
  onRemove: (() => void) | undefined
  ref: Ref<HandsetHandle>
}

/** A phone and all that its owner would see, which is never the number of the other person. */
export function Handset({ person, phone, known, isCurrent, look, onRemove, ref }: Props) {
  const device = useRef<HTMLDivElement>(null)
  const call = activeCall(phone)
  useFocusKept(device, call && `${call.sid} ${call.state}`)
  return (
    <section className={s.handset} aria-label={`${person.name}’s phone`} data-current={isCurrent || undefined}>
      <header className={s.owner}>
        <h2>{person.name}</h2>
        <span>{spaced(person.number)}</span>
        {onRemove && (
          <Button look="quiet" icon="close" aria-label={`Take ${person.name}’s phone away`} onClick={onRemove} />
        )}
      </header>
      <div ref={device} className={s.device} data-ringing={call?.state === 'ringing' || undefined}>
        <div className={s.screen}>
          <Texting {...{ person, phone, known, look, ref, device }} isCovered={call !== undefined} />
          {call && <CallScreen key={call.sid + call.direction} number={person.number} call={call} look={look} />}
        </div>
      </div>
    </section>
  )
}

type TextingProps = Pick<Props, 'person' | 'phone' | 'known' | 'look' | 'ref'> & {
  device: RefObject<HTMLDivElement | null>
  isCovered: boolean
}

function Texting({ person, phone, known, look, ref, device, isCovered }: TextingProps) {
  const threads = threadsOf(phone, known)
  const [chosen, choose] = useState<{ number: string | undefined }>()
  const [draft, setDraft] = useState<Draft>(EMPTY_DRAFT)
  const number = chosen ? chosen.number : threads[0]?.number
  const send = useAction(async (to: string, { body, pictures }: Draft) => {
    await sendText(person.number, to, body.trim(), pictures)
    setDraft(EMPTY_DRAFT)
    look()
  })
  const dial = useAction(async (to: string) => {
    await placeCall(person.number, to)
    look()
  })
  useImperativeHandle(ref, () => ({
    compose: (to, body) => {
      // At once, so that whoever types on types here.
      flushSync(() => {
        choose({ number: to })
        setDraft({ body, pictures: [] })
      })
      device.current?.querySelector<HTMLInputElement>('[data-compose]')?.focus({ preventScroll: true })
      device.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    },
  }))
  const open = (to: string | undefined) => {
    choose({ number: to })
    setDraft(EMPTY_DRAFT)
  }
  return (
    <div className={s.texting} inert={isCovered}>
      {number === undefined ? (
        <ThreadList threads={threads} onOpen={open} />
      ) : (
        <Conversation
          key={number}
          number={number}
          entries={threads.find((thread) => thread.number === number)?.entries ?? []}
          draft={draft}
          onDraft={(next) => {
            // What arrives elsewhere must not take the text away under the hands of whoever writes it.
            if (!chosen) choose({ number })
            setDraft(next)
          }}
          busy={send.busy}
          error={send.error ?? dial.error}
          onSend={() => send.run(number, draft)}
          onCall={() => dial.run(number)}
          onBack={() => open(undefined)}
        />
      )}
    </div>
  )
}
