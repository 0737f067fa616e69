import { useEffect } from 'react'
import { useParams } from 'wouter'
import type { Trace } from '../../api/bodies.ts'
import { useFeed } from '../../api/feed.ts'
import { useGet } from '../../api/use.ts'
import { Page } from '../../kit/page.tsx'
import { Shown } from '../../kit/states.tsx'
import { LiveMark, toneOf, verdictWord } from '../../kit/verdict.tsx'
import { NotFound } from '../not-found.tsx'
import { CallbackCards } from './callback-cards.tsx'
import { Chain } from './chain.tsx'
import { InteractionFacts } from './interaction-facts.tsx'
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
function Answer({ trace }: { trace: Trace }) {
  const { interaction, verdict } = trace
  return (
    <section className={s.answer} data-tone={toneOf(verdict)} aria-label="Verdict">
      <p className={s.verdict} role="status">
        <strong>{verdictWord(interaction)}.</strong> {verdict.text}
      </p>
      <Journey of={interaction} />
      <InteractionFacts trace={trace} />
    </section>
  )
}
