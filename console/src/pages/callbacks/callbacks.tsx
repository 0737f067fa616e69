import { useState } from 'react'
import { useSearchParams } from 'wouter'
import type { Callback, Endpoint } from '../../api/bodies.ts'
import { useFeed, withTold } from '../../api/feed.ts'
import { withQuery } from '../../api/http.ts'
import { useNewest } from '../../api/newest.ts'
import { useServices } from '../../api/service.ts'
import { useMay } from '../../api/session.tsx'
import { useEvery, useGet } from '../../api/use.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Card, Page } from '../../kit/page.tsx'
import { Empty, Shown } from '../../kit/states.tsx'
import { type Column, ListTable } from '../../kit/table.tsx'
import { Sid, Time } from '../../kit/text.tsx'
import { CallbackBadge, LiveMark } from '../../kit/verdict.tsx'
import { CallbackPanel } from './callback-panel.tsx'
import s from './callbacks.module.css'
import { Endpoints } from './endpoints.tsx'
import { type Filter, fits, parametersOf } from './filter.ts'
import { FilterBar } from './filter-bar.tsx'
import { ReplayAll } from './replay-all.tsx'

const READ_AGAIN_MS = 10_000

/** What the customer's application was told, whether it heard it, and telling it again. */
export function Callbacks() {
  const mayReplay = useMay('callbacks:replay')
  const services = useServices()
  const [params, setParams] = useSearchParams()
  const [filter, setFilter] = useState<Filter>(() => ({
    status: params.get('status') ?? '',
    service: params.get('service') ?? '',
    endpoint: params.get('endpoint') ?? '',
    since_s: 0,
    since: '',
  }))
  const [isReplaying, setReplaying] = useState(false)
  const endpoints = useGet<{ callback_endpoints: Endpoint[] }>('/maskline/v1/CallbackEndpoints')
  useEvery(READ_AGAIN_MS, endpoints.reload)
  const list = useNewest<Callback>(withQuery('/maskline/v1/Callbacks', parametersOf(filter)), 'CB')
  const feed = useFeed(filter.service ? { ServiceSid: filter.service } : {}, () => {
    list.reload()
    endpoints.reload()
  })
  const rows = withTold(list.rows, feed.told.callback, { fits: fits(filter), isWhole: !list.more })?.filter(
    fits(filter),
  )
  const open = (sid: string | undefined) => setParams(sid ? { callback: sid } : {}, { replace: !sid })
  const chosen = params.get('callback')
  const found = endpoints.data?.callback_endpoints ?? []
  return (
    <Page
      title="Callbacks"
      actions={
        <>
          <LiveMark state={feed.state} />
          {mayReplay && <Button onClick={() => setReplaying(true)}>Replay all failed</Button>}
        </>
      }
    >
      <Card title="Where they go">
        <Shown of={endpoints}>
          {(body) => (
            <Endpoints
              endpoints={body.callback_endpoints}
              onFailed={(endpoint) => setFilter({ ...filter, status: 'failed', endpoint })}
            />
          )}
        </Shown>
      </Card>
      <FilterBar filter={filter} services={services} endpoints={found} onChange={setFilter} />
      <ListTable
        label="Callbacks"
        list={{ ...list, rows }}
        columns={columnsOf(open)}
        empty={<Nothing filter={filter} />}
      />
      {chosen && <CallbackPanel sid={chosen} told={feed.told.callback.get(chosen)} onClose={() => open(undefined)} />}
      {isReplaying && (
        <ReplayAll
          filter={filter}
          services={services.rows ?? []}
          onDone={list.reload}
          onClose={() => setReplaying(false)}
        />
      )}
    </Page>
  )
}

const Nothing = ({ filter }: { filter: Filter }) =>
  filter.status || filter.service || filter.endpoint || filter.since ? (
    <Empty title="No callback fits.">Choose any status, or look further back.</Empty>
  ) : (
    <Empty title="No callbacks yet.">
      Your application is told of each change of a message or call, and what it was told stands here.
    </Empty>
  )

const columnsOf = (open: (sid: string) => void): Column<Callback>[] => [
  {
    title: 'Status',
    cell: ({ status, waits_for_endpoint }) =>
      waits_for_endpoint ? <Badge tone="warn">Waits for its endpoint</Badge> : <CallbackBadge status={status} />,
  },
  { title: 'Made', cell: ({ date_created }) => <Time date={date_created} /> },
  {
    title: 'Address',
    cell: ({ sid, callback_url }) => (
      <button type="button" className={s.open} title={callback_url} onClick={() => open(sid)}>
        {callback_url}
      </button>
    ),
  },
  { title: 'In → out', cell: (callback) => <Told callback={callback} />, wide: true },
  { title: 'Tries', cell: ({ attempts }) => attempts, align: 'end' },
  {
    title: 'Next or last',
    cell: ({ date_next_attempt, date_delivered }) => <Time date={date_next_attempt ?? date_delivered} />,
    wide: true,
  },
  { title: 'SID', cell: ({ sid }) => <Sid sid={sid} />, wide: true },
]

/** What became of the two legs, as it was when the application was to be told. */
function Told({ callback: { inbound_resource_status, outbound_resource_status } }: { callback: Callback }) {
  const told = [inbound_resource_status, outbound_resource_status].filter(Boolean).join(' → ')
  return <span className={told ? s.told : s.dim}>{told || '—'}</span>
}
