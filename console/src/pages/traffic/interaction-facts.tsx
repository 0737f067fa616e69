import { useState } from 'react'
import { Link } from 'wouter'
import type { Interaction, Trace } from '../../api/bodies.ts'
import { bodyOf } from '../../api/body.ts'
import { useServices } from '../../api/service.ts'
import { useMay } from '../../api/session.tsx'
import { Button } from '../../kit/button.tsx'
import { Facts } from '../../kit/page.tsx'
import { Reveal } from '../../kit/reveal.tsx'
import { lasting, Sid, Time } from '../../kit/text.tsx'
import s from './why.module.css'

type FactList = Parameters<typeof Facts>[0]['facts']

/** What is known of it besides its verdict, with ways to where it belongs. */
export function InteractionFacts({ trace: { interaction: of, candidates } }: { trace: Trace }) {
  const service = useServices().rows?.find(({ sid }) => sid === of.service_sid)
  const name = candidates.find(({ session_sid }) => session_sid === of.session_sid)?.session_unique_name
  const session = of.session_sid && (
    <Link href={`/sessions/${of.service_sid}/${of.session_sid}`}>{name ?? 'Open the session'}</Link>
  )
  const facts: FactList = [
    ['When', <Time key="" date={of.date_created} as="date" />],
    ['Session', session || 'none'],
    [
      'Service',
      <Link key="" href={`/services/${of.service_sid}`}>
        {service?.unique_name ?? 'Open the service'}
      </Link>,
    ],
    ['SID', <Sid key="" sid={of.sid} />],
  ]
  return (
    <>
      {bodyOf(of) !== undefined && <Said key={of.sid} of={of} />}
      <Facts facts={[...facts, ...onlySometimes(of)]} />
    </>
  )
}

function onlySometimes(of: Interaction): FactList {
  const facts: FactList = []
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
  return facts
}

/** What a message says, which whoever may can have shown. */
function Said({ of }: { of: Interaction }) {
  const [isAsking, setAsking] = useState(false)
  const [text, setText] = useState<string>()
  const mayReveal = useMay('reveal')
  const masked = bodyOf(of)
  return (
    <p className={s.said}>
      <q>{text ?? masked}</q>
      {mayReveal && text === undefined && masked?.includes('•••') && of.session_sid && (
        <Button look="quiet" icon="eye" onClick={() => setAsking(true)}>
          Reveal the text
        </Button>
      )}
      {isAsking && (
        <Reveal<{ data: string }>
          path={`/maskline/v1/Services/${of.service_sid}/Sessions/${of.session_sid}/Interactions/${of.sid}`}
          what="what this message says"
          onShown={({ data }) => setText(bodyOf({ type: 'message', data }) ?? '')}
          onClose={() => setAsking(false)}
        />
      )}
    </p>
  )
}
