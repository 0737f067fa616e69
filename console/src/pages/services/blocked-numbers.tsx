import { type FormEvent, useState } from 'react'
import { post, remove } from '../../api/http.ts'
import { errorAt, errorBeside } from '../../api/parameter.ts'
import { useMay } from '../../api/session.tsx'
import type { BlockedNumber } from '../../api/set-up-bodies.ts'
import { useAction, useList } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Confirm } from '../../kit/dialog.tsx'
import { TextField } from '../../kit/field.tsx'
import { textIn } from '../../kit/form-dialog.tsx'
import { ErrorNote, Loading } from '../../kit/states.tsx'
import { Time } from '../../kit/text.tsx'
import s from './services.module.css'

const block = (path: string, PhoneNumber: string) => post(path, { PhoneNumber })

/** From whom the service takes nothing. */
export function BlockedNumbers({ serviceSid }: { serviceSid: string }) {
  const path = `/maskline/v1/Services/${serviceSid}/BlockedNumbers`
  const list = useList<BlockedNumber>(path)
  const may = useMay('services:write')
  return (
    <section className={s.group} aria-label="Blocked numbers">
      <div className={s.about}>
        <h2>Blocked numbers</h2>
        <p>Neither a text nor a call of these people is passed on, and they are not told.</p>
      </div>
      <div className={s.card}>
        {may && <BlockForm path={path} reload={list.reload} />}
        <ErrorNote error={list.error} retry={list.reload} />
        {list.rows?.length === 0 && <p className={s.dim}>Nobody is blocked.</p>}
        {list.rows ? <Blocked path={path} rows={list.rows} reload={list.reload} /> : !list.error && <Loading />}
        {list.more && <Button onClick={list.more}>Show more</Button>}
      </div>
    </section>
  )
}

function BlockForm({ path, reload }: { path: string; reload: () => unknown }) {
  const { busy, error, run } = useAction(block)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    if (!(await run(path, textIn(new FormData(form), 'PhoneNumber')))) return
    form.reset()
    reload()
  }
  return (
    <form onSubmit={submit}>
      <div className={s.row}>
        <TextField
          label="Block a number"
          name="PhoneNumber"
          type="tel"
          placeholder="+12025550123"
          error={errorAt(error, 'PhoneNumber')}
          required
        />
        <Button type="submit" busy={busy}>
          Block
        </Button>
      </div>
      <ErrorNote error={errorBeside(error, ['PhoneNumber'])} />
    </form>
  )
}

function Blocked({ path, rows, reload }: { path: string; rows: BlockedNumber[]; reload: () => unknown }) {
  const may = useMay('services:write')
  const [freed, setFreed] = useState<BlockedNumber>()
  const { busy, error, run } = useAction(remove)
  const free = async (sid: string) => {
    if (!(await run(`${path}/${sid}`))) return
    setFreed(undefined)
    reload()
  }
  return (
    <>
      <ul className={s.list}>
        {rows.map((row) => (
          <li key={row.sid}>
            <code>{row.phone_number}</code>
            <small>
              <Time date={row.date_created} />
            </small>
            {may && (
              <Button look="quiet" aria-label={`Let ${row.phone_number} in again`} onClick={() => setFreed(row)}>
                Let in again
              </Button>
            )}
          </li>
        ))}
      </ul>
      {freed && (
        <Confirm
          title={`Let ${freed.phone_number} in again?`}
          verb="Let in"
          busy={busy}
          error={error}
          onConfirm={() => free(freed.sid)}
          onClose={() => setFreed(undefined)}
        >
          <p>What they send and whom they call is passed on again, from now on.</p>
        </Confirm>
      )}
    </>
  )
}
