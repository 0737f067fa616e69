import { useEffect } from 'react'
import { Link, useParams } from 'wouter'
import type { Interaction, Trace } from '../../api/bodies.ts'
import { useFeed } from '../../api/feed.ts'
import { useGet } from '../../api/use.ts'
import { Facts, Page } from '../../kit/page.tsx'
import { Shown } from '../../kit/states.tsx'
import { lasting, Sid, Time } from '../../kit/text.tsx'
import { LiveMark, toneOf, verdictWord } from '../../kit/verdict.tsx'
import { NotFound } from '../not-found.tsx'
import { CallbackCards } from './callback-cards.tsx'
import { Chain } from './chain.tsx'
import { Journey } from './journey.tsx'
import s from './why.module.css'

export function Why() {
  const { InteractionSid = '' } = useParams<{ InteractionSid: string }>()
  return /^KI\w{32}$/.test(InteractionSid) ? <OneTrace key={InteractionSid} sid={InteractionSid} /> : <NotFound />
}

/** Why a message or call reached whom it reached, or nobody; keeps itself up to date. */
function OneTrace({ sid }: { sid: string }) {
  const trace = useGet<Trace>(`/maskline/v1/Interactions/${sid}/Trace`)
  const { reload } = trace
  const of = trace.data?.interaction
  const scope = of && { ServiceSid: of.service_sid, ...(of.session_sid ? { SessionSid: of.session_sid } : {}) }
  const { told, state } = useFeed(scope, () => reload())
  const isTold =
    told.interaction.get(sid) ??
    [...told.callback.values(), ...told.event.values()].find((thing) => aboutOf(thing) === sid)
  // biome-ignore lint/correctness/useExhaustiveDependencies: all that is told of it changes the trace
  useEffect(() => {
    if (isTold) reload()
  }, [isTold, told.callback, told.event, reload])
  const noun = of?.type === 'call' ? 'call' : 'message'
  return (
    <Page
      title={of ? `What became of this ${noun}` : 'What became of it'}
      actions={scope && <LiveMark state={state} />}
    >
      <Shown of={trace}>
        {(body) => (
          <>
            <Answer trace={body} />
            <Chain trace={body} />
            <CallbackCards callbacks={body.callbacks} />
          </>
        )}
      </Shown>
    </Page>
  )
}

const aboutOf = (thing: object) => ('interaction_sid' in thing ? thing.interaction_sid : undefined)

/** The sentence that answers the question, and the way it went. */
function Answer({ trace: { interaction, verdict } }: { trace: Trace }) {
  return (
    <section className={s.answer} data-tone={toneOf(verdict)} aria-label="Verdict">
      <p className={s.verdict} role="status">
        <strong>{verdictWord(interaction)}.</strong> {verdict.text}
      </p>
      <Journey of={interaction} />
      <Facts facts={factsOf(interaction)} />
    </section>
  )
}

function factsOf(of: Interaction): Parameters<typeof Facts>[0]['facts'] {
  const facts: Parameters<typeof Facts>[0]['facts'] = [
    ['When', <Time key="" date={of.date_created} as="date" />],
    [
      'Session',
      of.session_sid ? (
        <Link key="" href={`/sessions/${of.service_sid}/${of.session_sid}`}>
          Open the session
        </Link>
      ) : (
        'none'
      ),
    ],
    [
      'Service',
      <Link key="" href={`/services/${of.service_sid}`}>
        Open the service
      </Link>,
    ],
  ]
  if (of.num_media > 0) facts.push(['Attachments', of.num_media])
  if (of.duration_s !== null) facts.push(['Lasted', lasting(of.duration_s * 1_000)])
  if (of.date_next_attempt) facts.push(['Next try', <Time key="" date={of.date_next_attempt} />])
  if (of.error_code) {
    facts.push([
      'Carrier’s code',
      <a key="" href={`https://www.twilio.com/docs/errors/${of.error_code}`} target="_blank" rel="noreferrer">
        {of.error_code}
      </a>,
    ])
  }
  facts.push(['SID', <Sid key="" sid={of.sid} />])
  return facts
}
