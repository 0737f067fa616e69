import { type MouseEvent, memo, type ReactNode } from 'react'
import { navigate } from 'wouter/use-browser-location'
import type { Interaction } from '../../api/bodies.ts'
import { bodyOf } from '../../api/body.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Icon } from '../../kit/icon.tsx'
import { lasting, Time } from '../../kit/text.tsx'
import { CallbackBadge, toneOf, VerdictBadge } from '../../kit/verdict.tsx'
import s from './timeline.module.css'
import type { NoteEntry, Run, Side } from './timeline-entries.ts'

type Props = {
  of: Interaction
  side: Side
  /** What was revealed of it. */
  text: string | undefined
  onReveal: ((of: Interaction) => void) | undefined
}

/** A link that does not follow where the page is, as `Link` does: a thousand of those take longer than all else here. */
function PlainLink({ to, children }: { to: string; children: ReactNode }) {
  const href = import.meta.env.BASE_URL + to.slice(1)
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0) return
    event.preventDefault()
    navigate(href)
  }
  return (
    <a href={href} onClick={follow}>
      {children}
    </a>
  )
}

/** A message or call, on the side of whoever it came from. */
export const Passed = memo(({ of, side, text, onReveal }: Props) => {
  const isCall = of.type !== 'message'
  const said = text ?? bodyOf(of)
  const isHidden = text === undefined && Boolean(said?.includes('•••'))
  return (
    <li className={s[side]}>
      <article className={s.bubble} data-tone={toneOf(of.verdict)} aria-label={`${nameOf(of)}, ${of.verdict.text}`}>
        <header>
          <Icon name={isCall ? 'call' : 'send'} />
          <span>{nameOf(of)}</span>
          <VerdictBadge of={of} />
        </header>
        {said !== undefined && (
          <p className={s.said}>
            {said || <em>No text.</em>}
            {isHidden && onReveal && (
              <Button look="quiet" icon="eye" aria-label="Reveal the text" onClick={() => onReveal(of)} />
            )}
          </p>
        )}
        {of.verdict.state !== 'delivered' && <p className={s.why}>{of.verdict.text}</p>}
        <footer>
          <Time date={of.date_created} as="clock" />
          {of.num_media > 0 && <span>{of.num_media === 1 ? '1 attachment' : `${of.num_media} attachments`}</span>}
          {of.duration_s !== null && <span>{lasting(of.duration_s * 1_000)}</span>}
          <PlainLink to={`/traffic/${of.sid}`}>Why?</PlainLink>
        </footer>
      </article>
    </li>
  )
})

const nameOf = ({ type, origin, outbound_number, dialled_number }: Interaction) => {
  if (origin !== 'inbound') return `Message of your application, from ${outbound_number ?? 'no number'}`
  return `${type === 'message' ? 'To' : 'Called'} ${dialled_number ?? 'no number'}`
}

/** What went on beside it: what the customer's application was told, and what somebody should know. */
export const Note = memo(({ of }: { of: NoteEntry }) => {
  if (of.kind === 'callback') {
    const { sid, status, inbound_resource_status, outbound_resource_status } = of.thing
    const about = outbound_resource_status ?? inbound_resource_status
    return (
      <li className={s.note}>
        <Icon name="callbacks" />
        <PlainLink to={`/callbacks?callback=${sid}`}>Callback{about && ` about “${about}”`}</PlainLink>
        <CallbackBadge status={status} />
        <Time date={of.date} as="clock" />
      </li>
    )
  }
  const { interaction_sid, error_code, message, log_level } = of.thing
  return (
    <li className={s.note} data-level={log_level}>
      <Icon name="events" />
      <span>
        {message} (
        {interaction_sid ? <PlainLink to={`/traffic/${interaction_sid}`}>{error_code}</PlainLink> : error_code})
      </span>
      <Time date={of.date} as="clock" />
    </li>
  )
})

/** Many of them, to be opened by whoever wants to see them. */
export function Notes({ of: { notes } }: { of: Run }) {
  const callbacks = notes.filter(({ kind }) => kind === 'callback').length
  const failed = notes.filter(({ kind, thing }) => kind === 'callback' && thing.status === 'failed').length
  const events = notes.length - callbacks
  const said = [counted(callbacks, 'callback'), counted(events, 'event')].filter(Boolean).join(' and ')
  return (
    <li className={s.run}>
      <details>
        <summary>
          {said} {failed > 0 && <Badge tone="bad">{failed} failed</Badge>}
        </summary>
        <ol className={s.entries}>
          {notes.map((note) => (
            <Note key={note.sid} of={note} />
          ))}
        </ol>
      </details>
    </li>
  )
}

const counted = (count: number, noun: string) => (count === 0 ? '' : `${count} ${noun}${count === 1 ? '' : 's'}`)
