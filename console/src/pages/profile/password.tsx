import { type FormEvent, useState } from 'react'
import { post } from '../../api/http.ts'
import { errorAt, errorBeside } from '../../api/parameter.ts'
import { readSessionAgain, useSession } from '../../api/session.tsx'
import { useAction } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { TextField } from '../../kit/field.tsx'
import { Card } from '../../kit/page.tsx'
import { ErrorNote } from '../../kit/states.tsx'
import s from './profile.module.css'

const FIELDS = ['Current', 'Password']

const change = (params: Record<string, string | undefined>) => post('/console/session/password', params)

export function Password() {
  const { busy, error, run } = useAction(change)
  const { user, is_by_link } = useSession()
  const [said, setSaid] = useState<'differ' | 'changed'>()
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const fields = event.currentTarget
    const form = new FormData(fields)
    const Password = String(form.get('Password'))
    setSaid(undefined)
    if (Password !== form.get('Again')) return setSaid('differ')
    if (!(await run({ Current: is_by_link ? undefined : String(form.get('Current')), Password }))) return
    fields.reset()
    setSaid('changed')
    await readSessionAgain()
  }
  return (
    <Card title="Password">
      <form className={s.form} onSubmit={submit}>
        <input type="hidden" name="username" autoComplete="username" value={user.name} readOnly />
        {is_by_link ? (
          <p className={s.dim}>You came in by a link, so the present password is not asked for.</p>
        ) : (
          <TextField
            label="Present password"
            name="Current"
            type="password"
            autoComplete="current-password"
            error={errorAt(error, 'Current')}
            required
          />
        )}
        <TextField
          label="New password"
          name="Password"
          type="password"
          autoComplete="new-password"
          hint="Several words are better than one with signs in it."
          error={errorAt(error, 'Password')}
          required
        />
        <TextField
          label="New password once more"
          name="Again"
          type="password"
          autoComplete="new-password"
          error={said === 'differ' ? 'The two are not the same.' : undefined}
          required
        />
        <ErrorNote error={errorBeside(error, FIELDS)} />
        <span role="status" className={s.dim}>
          {said === 'changed' ? 'Changed. Wherever else you were signed in, you are no more.' : ''}
        </span>
        <Button type="submit" look="main" busy={busy}>
          Change password
        </Button>
      </form>
    </Card>
  )
}
