import { useLayoutEffect, useRef } from 'react'
import type { ApiError } from '../../api/http.ts'
import { useSession } from '../../api/session.tsx'
import { Button } from '../../kit/button.tsx'
import { Icon } from '../../kit/icon.tsx'
import { ErrorNote } from '../../kit/states.tsx'
import { Time } from '../../kit/text.tsx'
import { Composer, type Draft } from './composer.tsx'
import s from './handset.module.css'
import { spaced } from './people.ts'
import type { Message } from './simulator.ts'
import { callText, type Entry } from './threads.ts'

type Props = {
  number: string
  entries: Entry[]
  draft: Draft
  onDraft: (draft: Draft) => void
  busy: boolean
  error: ApiError | undefined
  onSend: () => void
  onCall: () => void
  onBack: () => void
}

/** Texts and calls with one number, the newest below, and what is being written to it. */
export function Conversation({ number, entries, draft, onDraft, busy, error, onSend, onCall, onBack }: Props) {
  const list = useRef<HTMLOListElement>(null)
  const newest = entries.at(-1)?.key
  // biome-ignore lint/correctness/useExhaustiveDependencies: it runs whenever something arrived
  useLayoutEffect(() => list.current?.scrollTo({ top: list.current.scrollHeight }), [newest])
  return (
    <>
      <div className={s.bar}>
        <Button look="quiet" icon="right" className={s.back ?? ''} aria-label="All messages" onClick={onBack} />
        <h3>{spaced(number)}</h3>
        <Button look="quiet" icon="call" data-first aria-label={`Call ${spaced(number)}`} onClick={onCall} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard */}
      <ol ref={list} className={s.entries} aria-label={`Conversation with ${spaced(number)}`} tabIndex={0}>
        {entries.length === 0 && (
          <li className={s.nothing}>Text or call this number. Whoever answers sees another one, never yours.</li>
        )}
        {entries.map((entry, at) => (
          <EntryLine key={entry.key} entry={entry} before={entries[at - 1]} />
        ))}
      </ol>
      <div className={s.writing}>
        <ErrorNote error={error} />
        <Composer draft={draft} onDraft={onDraft} busy={busy} onSend={onSend} />
      </div>
    </>
  )
}

const PAUSE_MS = 300_000

function EntryLine({ entry, before }: { entry: Entry; before: Entry | undefined }) {
  const isLater = !before || Date.parse(entry.date) - Date.parse(before.date) > PAUSE_MS
  return (
    <>
      {isLater && (
        <li className={s.pause}>
          <Time date={entry.date} as="clock" />
        </li>
      )}
      {entry.kind === 'message' ? (
        <Bubble message={entry.message} />
      ) : (
        <li className={s.called} data-missed={isMissed(entry) || undefined}>
          <Icon name="call" />
          {callText(entry.call)}
        </li>
      )}
    </>
  )
}

const isMissed = (entry: Entry) => entry.kind === 'call' && entry.call.state === 'ended' && !entry.call.answered

function Bubble({ message: { direction, body, media_urls } }: { message: Message }) {
  return (
    <li className={s.bubble} data-own={direction === 'outbound' || undefined}>
      <span className={s.unseen}>{direction === 'outbound' ? 'You:' : 'They:'}</span>
      {media_urls.map((url, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a message never changes
        <Picture key={at} url={url} />
      ))}
      {body && <p>{body}</p>}
    </li>
  )
}

/** Only pictures of this server are shown: the browser asks no other for anything. */
function Picture({ url }: { url: string }) {
  const { public_url } = useSession()
  const own = url.startsWith('data:image/') ? url : url.startsWith(`${public_url}/`) && url.slice(public_url.length)
  return own ? <img src={own} alt="Sent here" /> : <code>{url.slice(0, 80)}</code>
}
