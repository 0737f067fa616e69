import { Link } from 'wouter'
import type { Interaction, Step } from '../../api/bodies.ts'
import { Facts } from '../../kit/page.tsx'
import { Sid } from '../../kit/text.tsx'
import s from './why.module.css'

const SID = /^[A-Z]{2}[0-9a-f]{32}$/i

/** What a step names besides its sentence. */
export function StepDetails({ step, of }: { step: Step; of: Interaction }) {
  const named = Object.entries(step.details).filter(([, value]) => value !== null && value !== '')
  if (named.length === 0) return null
  return (
    <details className={s.details}>
      <summary>Details</summary>
      <Facts
        facts={named.map(([name, value]) => [wordsOf(name), <Value key="" of={of} name={name} value={value} />])}
      />
    </details>
  )
}

const wordsOf = (name: string) => {
  const words = name.replaceAll('_', ' ').replace(/\bsid\b/, 'SID')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function Value({ of, name, value }: { of: Interaction; name: string; value: string | number | null }) {
  if (name === 'session_sid' && typeof value === 'string') {
    return <Link href={`/sessions/${of.service_sid}/${value}`}>Open the session</Link>
  }
  if (name === 'callback_sid' && typeof value === 'string') {
    return <Link href={`/callbacks?callback=${value}`}>Open the callback</Link>
  }
  if (name === 'error_code' && typeof value === 'number') {
    return (
      <a href={`https://www.twilio.com/docs/errors/${value}`} target="_blank" rel="noreferrer">
        {value}
      </a>
    )
  }
  return typeof value === 'string' && SID.test(value) ? <Sid sid={value} /> : value
}
