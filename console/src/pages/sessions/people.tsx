import { useState } from 'react'
import type { Participant, ProxySession } from '../../api/bodies.ts'
import { useMay } from '../../api/session.tsx'
import { Button } from '../../kit/button.tsx'
import { Reveal } from '../../kit/reveal.tsx'
import { Sid } from '../../kit/text.tsx'
import s from './people.module.css'
import { AddPerson, RemovePerson, SendMessage } from './people-dialogs.tsx'

type Props = { path: string; session: ProxySession; participants: Participant[]; onChanged: () => unknown }

/** The two people side by side, as the timeline below has them: each with the number that they text and call. */
export function People({ path, session, participants, onChanged }: Props) {
  const [isAdding, setAdding] = useState(false)
  const mayAdd = useMay('sessions:write') && session.status !== 'closed'
  const missing = Math.max(0, 2 - participants.length)
  return (
    <section className={s.people} aria-label="Participants">
      {participants.map((participant) => (
        <Person key={participant.sid} {...{ path, session, participant, onChanged }} />
      ))}
      {Array.from({ length: missing }, (_, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: places that nobody has are all alike
        <div key={at} className={s.place}>
          <p>Nobody here yet{missing === 1 && ', so nothing can be passed on'}.</p>
          {mayAdd && (
            <Button icon="plus" onClick={() => setAdding(true)}>
              Add a participant
            </Button>
          )}
        </div>
      ))}
      {isAdding && (
        <AddPerson path={path} service_sid={session.service_sid} onDone={onChanged} onClose={() => setAdding(false)} />
      )}
    </section>
  )
}

type Asked = 'reveal' | 'message' | 'remove'
type PersonProps = Omit<Props, 'participants'> & { participant: Participant }

function Person({ path, session, participant, onChanged }: PersonProps) {
  const [asked, setAsked] = useState<Asked>()
  const [number, setNumber] = useState<string>()
  const own = `${path}/Participants/${participant.sid}`
  const close = () => setAsked(undefined)
  return (
    <article className={s.person} aria-label={participant.friendly_name ?? 'Participant'}>
      <div className={s.who}>
        <span className={s.dim}>{participant.friendly_name ?? 'Participant'}</span>
        <strong>{number ?? participant.identifier}</strong>
        <span className={s.dim}>
          texts and calls <b>{participant.proxy_identifier ?? 'no number'}</b>
        </span>
        <Sid sid={participant.sid} />
      </div>
      <PersonDeeds
        isLive={session.status !== 'closed'}
        isMasked={participant.identifier.includes('•')}
        isShown={number !== undefined}
        takesMessages={session.mode !== 'voice-only'}
        onAsk={setAsked}
        onHide={() => setNumber(undefined)}
      />
      {asked === 'reveal' && (
        <Reveal<{ identifier: string }>
          path={`/maskline${own}`}
          what="this person's number"
          onShown={({ identifier }) => setNumber(identifier)}
          onClose={close}
        />
      )}
      {asked === 'message' && <SendMessage path={own} name={participant.identifier} onClose={close} />}
      {asked === 'remove' && (
        <RemovePerson path={own} name={participant.identifier} onDone={onChanged} onClose={close} />
      )}
    </article>
  )
}

function PersonDeeds({
  isLive,
  isMasked,
  isShown,
  takesMessages,
  onAsk,
  onHide,
}: {
  isLive: boolean
  isMasked: boolean
  isShown: boolean
  takesMessages: boolean
  onAsk: (asked: Asked) => void
  onHide: () => void
}) {
  const mayReveal = useMay('reveal')
  const maySend = useMay('interactions:write')
  const mayRemove = useMay('sessions:write')
  return (
    <div className={s.deeds}>
      {mayReveal && isMasked && (
        <Button look="quiet" icon="eye" onClick={() => (isShown ? onHide() : onAsk('reveal'))}>
          {isShown ? 'Hide' : 'Reveal'}
        </Button>
      )}
      {maySend && isLive && takesMessages && (
        <Button look="quiet" icon="send" onClick={() => onAsk('message')}>
          Message
        </Button>
      )}
      {mayRemove && isLive && (
        <Button look="quiet" icon="close" onClick={() => onAsk('remove')}>
          Remove
        </Button>
      )}
    </div>
  )
}
