import { type FormEvent, useState } from 'react'
import { post } from '../../api/http.ts'
import { errorAt, errorBeside } from '../../api/parameter.ts'
import { useSession } from '../../api/session.tsx'
import type { AccountSettings } from '../../api/set-up-bodies.ts'
import { useAction, useGet } from '../../api/use.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Confirm } from '../../kit/dialog.tsx'
import { TextField } from '../../kit/field.tsx'
import { textIn } from '../../kit/form-dialog.tsx'
import { ErrorNote, Shown } from '../../kit/states.tsx'
import s from './services.module.css'

const PATH = '/maskline/v1/Settings'
const FIELDS = ['SessionRetention', 'BodyRetention']

const save = (params: Record<string, string>) => post<AccountSettings>(PATH, params)

/** For how long the account keeps what people said, in all of its services. */
export function Kept() {
  const settings = useGet<AccountSettings>(PATH)
  const { friendly_name, sid } = useSession().account
  return (
    <section className={s.group} aria-label="What is kept">
      <div className={s.about}>
        <h2>What is kept</h2>
        <p>Of all services of the account {friendly_name || sid}.</p>
      </div>
      <Shown of={settings}>
        {(held) => (
          <KeptForm key={`${held.session_retention}/${held.body_retention}`} held={held} reload={settings.reload} />
        )}
      </Shown>
    </section>
  )
}

function KeptForm({ held, reload }: { held: AccountSettings; reload: () => Promise<unknown> }) {
  const { busy, error, run } = useAction(save)
  const [wanted, setWanted] = useState<Record<string, string>>()
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setWanted(Object.fromEntries(FIELDS.map((name) => [name, textIn(form, name)])))
  }
  const confirm = async () => {
    if (wanted && (await run(wanted))) await reload()
    setWanted(undefined)
  }
  return (
    <form className={s.card} onSubmit={submit}>
      <TextField
        label="Days that closed sessions are kept"
        name="SessionRetention"
        type="number"
        min={0}
        max={36_500}
        defaultValue={held.session_retention}
        hint="With their participants, messages, calls and recordings. 0: for ever. Empty: as the server is set."
        error={errorAt(error, 'SessionRetention')}
      />
      <TextField
        label="Days that texts, attachments and recordings are kept"
        name="BodyRetention"
        type="number"
        min={0}
        max={36_500}
        defaultValue={held.body_retention ?? ''}
        hint="0: no longer than delivery takes. Empty: as long as their session."
        error={errorAt(error, 'BodyRetention')}
      />
      <ErrorNote error={errorBeside(error, FIELDS)} />
      <footer className={s.save}>
        <span>{held.legal_hold && <Badge tone="warn">Legal hold: nothing is deleted</Badge>}</span>
        <Button type="submit" look="main">
          Save
        </Button>
      </footer>
      {wanted && (
        <Confirm
          title="Change what is kept?"
          verb="Change"
          danger
          busy={busy}
          onConfirm={confirm}
          onClose={() => setWanted(undefined)}
        >
          <p>What is older than the new limits is deleted within minutes, and does not come back.</p>
        </Confirm>
      )}
    </form>
  )
}
