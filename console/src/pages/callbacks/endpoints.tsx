import { Link } from 'wouter'
import type { Endpoint } from '../../api/bodies.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Empty } from '../../kit/states.tsx'
import { Time } from '../../kit/text.tsx'
import s from './callbacks.module.css'

const HEALTH = {
  healthy: { name: 'Healthy', tone: 'good', text: 'Nothing has failed there since it last answered.' },
  failing: { name: 'Failing', tone: 'warn', text: 'Each callback is tried again, ever later.' },
  waiting: { name: 'Out of order', tone: 'bad', text: 'Callbacks wait for it and keep their tries.' },
} as const

/** How the hosts of the customer's application are, those first that are out of order. */
export function Endpoints({ endpoints, onFailed }: { endpoints: Endpoint[]; onFailed: (endpoint: string) => void }) {
  if (endpoints.length === 0) {
    return (
      <Empty title="No service has a CallbackUrl.">
        <Link href="/services">Give a service one</Link>, and the application behind it is told what happens.
      </Empty>
    )
  }
  return (
    <ul className={s.endpoints}>
      {endpoints.map((one) => (
        <EndpointCard key={one.endpoint} one={one} onFailed={() => onFailed(one.endpoint)} />
      ))}
    </ul>
  )
}

function EndpointCard({ one, onFailed }: { one: Endpoint; onFailed: () => void }) {
  const { name, tone, text } = HEALTH[one.health]
  return (
    <li data-health={one.health}>
      <p className={s.endpoint}>
        <strong>{one.endpoint}</strong>
        <Badge tone={tone}>{name}</Badge>
      </p>
      <p className={s.dim}>
        {text}
        {one.failures > 0 && (
          <>
            {' '}
            {one.failures} failed in a row
            {one.failing_since && (
              <>
                , since <Time date={one.failing_since} />
              </>
            )}
            .
          </>
        )}
        {one.date_next_probe && (
          <>
            {' '}
            It is tried again <Time date={one.date_next_probe} />.
          </>
        )}
      </p>
      <Button
        look="quiet"
        className={s.failed ?? ''}
        onClick={onFailed}
        aria-label={`Show what failed at ${one.endpoint}`}
      >
        Show what failed
      </Button>
    </li>
  )
}
