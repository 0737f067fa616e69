import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { Service } from '../../api/bodies.ts'
import { post } from '../../api/http.ts'
import { errorAt } from '../../api/parameter.ts'
import { useMay } from '../../api/session.tsx'
import { useList } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { TextField } from '../../kit/field.tsx'
import { FormDialog, textIn } from '../../kit/form-dialog.tsx'
import { Page } from '../../kit/page.tsx'
import { Empty } from '../../kit/states.tsx'
import { type Column, ListTable } from '../../kit/table.tsx'
import { lasting, Sid, Time } from '../../kit/text.tsx'
import { Kept } from './kept.tsx'
import s from './services.module.css'

const GEO: Record<string, string> = {
  country: 'Country',
  'area-code': 'Area code',
  overlay: 'Overlay',
  'extended-area-code': 'Extended area code',
  radius: 'Radius',
}

const COLUMNS: Column<Service>[] = [
  { title: 'Name', cell: ({ sid, unique_name }) => <Link href={`/services/${sid}`}>{unique_name}</Link> },
  { title: 'SID', cell: ({ sid }) => <Sid sid={sid} />, wide: true },
  { title: 'Sessions live', cell: ({ default_ttl }) => (default_ttl ? lasting(default_ttl * 1000) : 'until closed') },
  { title: 'Geo match', cell: ({ geo_match_level }) => GEO[geo_match_level] ?? geo_match_level, wide: true },
  {
    title: 'Callbacks go to',
    cell: ({ callback_url }) =>
      callback_url ? (
        <span className={s.url} title={callback_url}>
          {callback_url}
        </span>
      ) : (
        <span className={s.dim}>nowhere</span>
      ),
    wide: true,
  },
  { title: 'Changed', cell: ({ date_updated }) => <Time date={date_updated} /> },
]

export function Services() {
  const list = useList<Service>('/v1/Services')
  const may = useMay('services:write')
  const mayKeep = useMay('privacy')
  const [isCreating, setCreating] = useState(false)
  const create = may && (
    <Button look="main" icon="plus" onClick={() => setCreating(true)}>
      New service
    </Button>
  )
  return (
    <Page title="Services" actions={create}>
      <ListTable
        label="Services"
        list={list}
        columns={COLUMNS}
        empty={
          <Empty title="No service yet">
            A service holds a pool of proxy numbers, the sessions that use them, and how all of it behaves.
          </Empty>
        }
      />
      {mayKeep && <Kept />}
      {isCreating && <NewService onClose={() => setCreating(false)} />}
    </Page>
  )
}

function NewService({ onClose }: { onClose: () => void }) {
  const [, navigate] = useLocation()
  const create = async (form: FormData) => {
    const CallbackUrl = textIn(form, 'CallbackUrl') || undefined
    const { sid } = await post<Service>('/v1/Services', { UniqueName: textIn(form, 'UniqueName'), CallbackUrl })
    navigate(`/services/${sid}`)
  }
  return (
    <FormDialog title="New service" verb="Create" fields={['UniqueName', 'CallbackUrl']} act={create} onClose={onClose}>
      {(error) => (
        <>
          <TextField
            label="Unique name"
            name="UniqueName"
            hint="Nobody’s name or number, since names are shown to all who may see the service."
            error={errorAt(error, 'UniqueName')}
            maxLength={191}
            required
          />
          <TextField
            label="Callback URL"
            name="CallbackUrl"
            type="url"
            hint="Told of every interaction. May be left for later."
            error={errorAt(error, 'CallbackUrl')}
          />
        </>
      )}
    </FormDialog>
  )
}
