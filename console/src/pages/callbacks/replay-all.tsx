import { useState } from 'react'
import type { Callback, Service } from '../../api/bodies.ts'
import { post, withQuery } from '../../api/http.ts'
import { useAction, useGet } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Confirm, Dialog } from '../../kit/dialog.tsx'
import { Facts } from '../../kit/page.tsx'
import s from './callbacks.module.css'
import { type Filter, PERIODS, parametersOf } from './filter.ts'

type Page = { callbacks: Callback[]; meta: { next_page_url: string | null } }

/** Tells again all that failed and fit the filter of the page, whatever its status says. */
export function ReplayAll({
  filter,
  services,
  onDone,
  onClose,
}: {
  filter: Filter
  services: Service[]
  onDone: () => unknown
  onClose: () => void
}) {
  const params = { ...parametersOf(filter), Status: 'failed' }
  const known = useGet<Page>(withQuery('/maskline/v1/Callbacks', { ...params, PageSize: 100 }))
  const [count, setCount] = useState<number>()
  const { run, ...state } = useAction(async () => {
    setCount((await post<{ count: number }>('/maskline/v1/Callbacks/Replay', params)).count)
    onDone()
  })
  if (count !== undefined) return <Done count={count} onClose={onClose} />
  const found = known.data?.callbacks.length
  return (
    <Confirm title="Replay all failed callbacks" verb="Replay" {...state} onConfirm={run} onClose={onClose}>
      <p role="status">{sizeOf(found, Boolean(known.data?.meta.next_page_url))}</p>
      <Facts
        facts={[
          ['Service', services.find(({ sid }) => sid === filter.service)?.unique_name ?? 'All services'],
          ['Endpoint', filter.endpoint || 'Any'],
          ['Made', PERIODS.find(([seconds]) => seconds === filter.since_s)?.[1] ?? 'Ever'],
        ]}
      />
      <p className={s.dim}>
        The application is told what each of them said, with the same token, so it can tell repeats. All their tries
        begin anew. Narrow it down with the filters of the page.
      </p>
    </Confirm>
  )
}

function sizeOf(found: number | undefined, isMore: boolean): string {
  if (found === undefined) return 'Counting …'
  if (isMore) return `More than ${found} failed callbacks will be told again.`
  if (found === 0) return 'No failed callback fits the filters now.'
  return found === 1 ? '1 failed callback will be told again.' : `${found} failed callbacks will be told again.`
}

const Done = ({ count, onClose }: { count: number; onClose: () => void }) => (
  <Dialog title="Replay all failed callbacks" onClose={onClose}>
    <div className={s.done}>
      <p role="status">
        {count === 1 ? '1 callback is being told again.' : `${count} callbacks are being told again.`}
      </p>
      <Button onClick={onClose}>Close</Button>
    </div>
  </Dialog>
)
