import { useRef } from 'react'
import { Button } from '../../kit/button.tsx'
import { Icon } from '../../kit/icon.tsx'
import { useFocusKept } from './focus.ts'
import s from './guide.module.css'

export type GuideStep = {
  title: string
  text: string
  done: boolean
  /** What it does, or points at; without it the text says what to do. */
  verb?: string | undefined
  act?: (() => unknown) | undefined
  busy?: boolean
}

/** The first minute. A step is done when it has really happened, whoever did it. */
export function Guide({ steps, onDismiss }: { steps: GuideStep[]; onDismiss: () => void }) {
  const next = steps.findIndex(({ done }) => !done)
  const section = useRef<HTMLElement>(null)
  useFocusKept(section, `${next} ${steps[next]?.verb}`)
  return (
    <section ref={section} className={s.guide} aria-labelledby="guide">
      <header>
        <h2 id="guide" tabIndex={-1} data-first={next < 0 || undefined}>
          {next < 0 ? 'That is all it takes' : 'The first minute'}
        </h2>
        <p>
          {next < 0
            ? 'They texted and talked, and neither learned the other’s number. Add a third phone, or start over.'
            : 'Two people reach each other, and neither learns the other’s number.'}
        </p>
        <Button look="quiet" icon="close" aria-label="Dismiss the guide" onClick={onDismiss} />
      </header>
      <ol>
        {steps.map((step, at) => (
          <li
            key={step.title}
            data-done={step.done || undefined}
            data-next={at === next || undefined}
            aria-current={at === next ? 'step' : undefined}
          >
            <span className={s.mark}>{step.done ? <Icon name="check" /> : at + 1}</span>
            <h3>
              {step.title}
              {step.done && <span className={s.unseen}> (done)</span>}
            </h3>
            <p className={s.text}>{step.text}</p>
            {at === next && step.verb && (
              <Button look="main" data-first busy={step.busy ?? false} onClick={() => step.act?.()}>
                {step.verb}
              </Button>
            )}
          </li>
        ))}
      </ol>
    </section>
  )
}
