import type { Interaction } from '../../api/bodies.ts'
import { Icon } from '../../kit/icon.tsx'
import { toneOf } from '../../kit/verdict.tsx'
import s from './why.module.css'

/** Who → proxy number | Maskline | proxy number → partner; what was not reached is drawn faint. */
export function Journey({ of }: { of: Interaction }) {
  const passed = of.outbound_number !== null
  const arrived = of.verdict.state === 'delivered'
  const tone = toneOf(of.verdict)
  return (
    <ol className={s.journey} aria-label="The way it went">
      {of.origin === 'inbound' ? (
        <>
          <Stop name="From" value={of.sender ?? 'not known'} />
          <Stop name="To the proxy number" value={of.dialled_number ?? '—'} />
        </>
      ) : (
        <Stop name="From" value="Your application" />
      )}
      <Stop name="Through" value="Maskline" tone={passed ? undefined : tone} />
      <Stop name="From the proxy number" value={of.outbound_number ?? 'nowhere'} isFaint={!passed} />
      <Stop
        name={of.recipient_participant_sid ? 'To the partner' : 'To'}
        value={arrived ? 'arrived' : passed && tone === 'info' ? 'under way' : 'not arrived'}
        isFaint={!passed}
        tone={passed ? tone : undefined}
      />
    </ol>
  )
}

const Stop = ({
  name,
  value,
  tone,
  isFaint = false,
}: {
  name: string
  value: string
  tone?: string | undefined
  isFaint?: boolean
}) => (
  <li className={isFaint ? s.faint : undefined} data-tone={tone}>
    <Icon name="right" />
    <span>
      <small>{name}</small>
      <b>{value}</b>
    </span>
  </li>
)
