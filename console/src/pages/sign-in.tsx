import { type FormEvent, useEffect, useState } from 'react'
import { post } from '../api/http.ts'
import { type Session, startOver } from '../api/session.tsx'
import { useAction } from '../api/use.ts'
import { Button } from '../kit/button.tsx'
import { TextField } from '../kit/field.tsx'
import { ErrorNote, Loading } from '../kit/states.tsx'
import s from './sign-in.module.css'

const LINK = /^#link=([\w-]+)$/

const signIn = async (params: Record<string, string>) => startOver(await post<Session>('/console/session', params))

/** The token of a link that signs in once; taken from the address, which keeps it no longer. */
function takeLink(): string | undefined {
  const [, token] = LINK.exec(location.hash) ?? []
  if (token) history.replaceState(null, '', location.pathname)
  return token
}

let link = takeLink()

/** By the link that was printed or sent, else by name, password and, where that is set up, a code. */
export function SignIn() {
  const { busy, error, run } = useAction(signIn)
  const [hasLink] = useState(Boolean(link))
  useEffect(() => {
    document.title = 'Sign in · Maskline'
    if (!link) return
    const token = link
    link = undefined
    run({ Link: token })
  }, [run])

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const given = [...form].filter(([, value]) => value !== '').map(([name, value]) => [name, String(value)])
    run(Object.fromEntries(given))
  }
  if (hasLink && busy) return <Loading what="Signing in" />
  return (
    <main className={s.door}>
      <form className={s.form} onSubmit={submit}>
        <h1>Maskline</h1>
        <p>Sign in to see what your numbers are doing.</p>
        <ErrorNote error={error} />
        <TextField label="Name" name="Name" autoComplete="username" required autoFocus={!hasLink} />
        <TextField label="Password" name="Password" type="password" autoComplete="current-password" required />
        <TextField
          label="Code"
          name="Totp"
          inputMode="numeric"
          autoComplete="one-time-code"
          pattern="[0-9 ]{6,7}"
          hint="Only if you use an authenticator."
        />
        <Button type="submit" look="main" busy={busy}>
          Sign in
        </Button>
        <p className={s.help}>
          No password yet, or lost? <code>maskline users link &lt;name&gt;</code> prints a link that signs in once.
        </p>
      </form>
    </main>
  )
}
