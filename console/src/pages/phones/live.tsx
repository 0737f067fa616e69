import { useState } from 'react'
import type { Interaction } from '../../api/bodies.ts'
import type { Kind, StreamState } from '../../api/stream.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Icon } from '../../kit/icon.tsx'
import { Card } from '../../kit/page.tsx'
import { Empty, ErrorNote } from '../../kit/states.tsx'
import { Time } from '../../kit/text.tsx'
import { endOf, type Line, nameOf } from './lines.ts'
import s from './live.module.css'
import { type Person, personBehind, short } from './people.ts'
import { Relation } from './relation.tsx'
import { TraceSteps } from './trace-steps.tsx'
import { useInteractions } from './use-interactions.ts'
import { VERDICTS } from './verdicts.ts'

type Props = {
  service_sid: string
  people: Person[]
  lines: Line[]
  hand: Line | undefined
  /** What was before it is of no interest any more. */
  since: string
  onThing: (kind: Kind, thing: object) => void
  onAgain: () => void
}

/** What the server did with what these phones sent, as it happens. */
export function Live({ service_sid, people, lines, hand, since, onThing, onAgain }: Props) {
  const { interactions, changesOf, state, error } = useInteractions(service_sid, onThing)
  const [picked, pick] = useState<{ sid: string | undefined; newest: string | undefined }>()
  const shown = interactions.filter((each) => each.date_created >= since && isOfPhones(each, lines, people))
  const newest = shown[0]?.sid
  // What arrives opens itself; until then stays open what was chosen.
  const openSid = picked?.newest === newest ? picked?.sid : newest
  const open = shown.find(({ sid }) => sid === openSid) ?? shown[0]
  return (
    <Card title="What Maskline does" actions={<StreamBadge state={state} onAgain={onAgain} />}>
      <Relation {...relationOf(open, hand, lines, people)} />
      <ErrorNote error={error} />
      {shown.length === 0 ? (
        <Empty title="Nothing yet">Text or call from a phone, and every step of it shows here.</Empty>
      ) : (
        <ol className={s.list} aria-label="What happened, newest first">
          {shown.map((interaction) => (
            <Row
              key={interaction.sid}
              interaction={interaction}
              names={namesOf(interaction, lines, people)}
              changes={changesOf(interaction.sid)}
              isOpen={interaction.sid === openSid}
              onToggle={() => pick({ sid: interaction.sid === openSid ? undefined : interaction.sid, newest })}
            />
          ))}
        </ol>
      )}
    </Card>
  )
}

const isOfPhones = ({ session_sid, sender }: Interaction, lines: Line[], people: Person[]) =>
  session_sid ? lines.some(({ session }) => session.sid === session_sid) : personBehind(sender, people) !== undefined

const lineOf = ({ session_sid }: Interaction, lines: Line[]) => lines.find(({ session }) => session.sid === session_sid)

type Names = { sender: string; recipient: string }

function namesOf(interaction: Interaction, lines: Line[], people: Person[]): Names {
  const line = lineOf(interaction, lines)
  const { sender, sender_participant_sid, recipient_participant_sid } = interaction
  return {
    sender:
      nameOf(endOf(line, sender_participant_sid), people) ??
      personBehind(sender, people)?.name ??
      (sender ? short(sender) : 'Your application'),
    recipient: nameOf(endOf(line, recipient_participant_sid), people) ?? 'nobody',
  }
}

/** Both sides of a session stay where they are, and the arrows turn; without a session it leads to nobody. */
function relationOf(open: Interaction | undefined, hand: Line | undefined, lines: Line[], people: Person[]) {
  const line = open ? lineOf(open, lines) : hand
  const [left, right] = line?.ends ?? []
  const verdict = open?.verdict.state
  if (left && right) {
    const side = (end: typeof left) => ({ name: nameOf(end, people) ?? '', proxy: end.proxy_identifier })
    const towards = !open ? 'both' : open.recipient_participant_sid === left.participant_sid ? 'left' : 'right'
    return { left: side(left), right: side(right), towards, verdict, sid: open?.sid } as const
  }
  if (!open) {
    const [one, other] = people.map(({ name }) => ({ name, proxy: null }))
    return { left: one, right: other, towards: 'none', verdict, sid: undefined } as const
  }
  const { sender, recipient } = namesOf(open, lines, people)
  return {
    left: { name: sender, proxy: open.dialled_number },
    right: { name: recipient, proxy: open.outbound_number },
    towards: 'right',
    verdict,
    sid: open.sid,
  } as const
}

function StreamBadge({ state, onAgain }: { state: StreamState; onAgain: () => void }) {
  if (state === 'live') return <Badge tone="good">Live</Badge>
  if (state === 'connecting') return <Badge>Connecting …</Badge>
  return (
    <>
      <Badge tone="bad">Not connected</Badge>
      <Button onClick={onAgain}>Connect again</Button>
    </>
  )
}

type RowProps = { interaction: Interaction; names: Names; changes: number; isOpen: boolean; onToggle: () => void }

function Row({ interaction, names, changes, isOpen, onToggle }: RowProps) {
  const { sid, type, num_media, date_created, verdict } = interaction
  const { tone, word } = VERDICTS[verdict.state] ?? VERDICTS.unknown
  const what = type === 'message' ? (num_media > 0 ? 'picture' : 'text') : 'call'
  return (
    <li className={s.row}>
      <button type="button" className={s.head} aria-expanded={isOpen} onClick={onToggle}>
        <Icon name="right" />
        <span>
          <strong>
            {names.sender} → {names.recipient}
          </strong>{' '}
          {what}
        </span>
        <Badge tone={tone}>{word}</Badge>
        <small>
          <Time date={date_created} as="clock" />
        </small>
      </button>
      {isOpen && <TraceSteps sid={sid} changes={changes} verdict={verdict} />}
    </li>
  )
}
