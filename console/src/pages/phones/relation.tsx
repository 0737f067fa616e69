import type { Verdict } from '../../api/bodies.ts'
import s from './live.module.css'
import { short, spaced } from './people.ts'
import { VERDICTS } from './verdicts.ts'

type Side = { name: string; proxy: string | null }
type Props = {
  left: Side | undefined
  right: Side | undefined
  towards: 'left' | 'right' | 'both' | 'none'
  verdict: Verdict['state'] | undefined
  /** Of what went this way last. */
  sid: string | undefined
}

/** Who reaches whom by which numbers, at a glance. */
export function Relation({ left, right, towards, verdict, sid }: Props) {
  return (
    <div className={s.strip}>
      <div
        className={s.relation}
        role="img"
        aria-label={inWords(left, right)}
        data-verdict={verdict && (VERDICTS[verdict] ?? VERDICTS.unknown).tone}
      >
        <End side={left} />
        <Way key={`${sid} in`} towards={towards} />
        <ProxyNumber side={left} whose={left?.name} />
        <strong className={s.middle}>Maskline</strong>
        <ProxyNumber side={right} whose={right?.name} />
        <Way key={`${sid} out`} towards={verdict === 'nobody' ? 'none' : towards} />
        <End side={right} />
      </div>
    </div>
  )
}

const inWords = (...sides: (Side | undefined)[]) =>
  sides
    .map(
      (side) =>
        `${side?.name ?? 'Nobody'} ${side?.proxy ? `texts and calls ${spaced(side.proxy)}` : 'has no number yet'}`,
    )
    .join(', ')

const End = ({ side }: { side: Side | undefined }) => <strong className={s.end}>{side?.name ?? '?'}</strong>

const Way = ({ towards }: { towards: Props['towards'] }) => <span className={s.way} data-towards={towards} />

const ProxyNumber = ({ side, whose }: { side: Side | undefined; whose: string | undefined }) => (
  <code className={s.proxy} title={side?.proxy ? `${whose} sees ${spaced(side.proxy)}` : undefined}>
    {side?.proxy ? short(side.proxy) : '—'}
  </code>
)
