import { type FormEvent, useState } from 'react'
import { encode } from 'uqr'
import { post, remove } from '../../api/http.ts'
import { errorAt, errorBeside } from '../../api/parameter.ts'
import { readSessionAgain, useSession } from '../../api/session.tsx'
import { useAction } from '../../api/use.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { TextField } from '../../kit/field.tsx'
import { FormDialog, textIn } from '../../kit/form-dialog.tsx'
import { Card } from '../../kit/page.tsx'
import { CopyField } from '../../kit/shown-once.tsx'
import { ErrorNote } from '../../kit/states.tsx'
import s from './profile.module.css'

const PATH = '/console/session/totp'
type Offer = { secret: string; uri: string }

const CODE = {
  name: 'Totp',
  inputMode: 'numeric',
  autoComplete: 'one-time-code',
  pattern: '[0-9 ]{6,7}',
  required: true,
} as const

/** A second proof besides the password: codes of an app that knows a secret. */
export function Authenticator() {
  const { has_totp } = useSession().user
  const [offer, setOffer] = useState<Offer>()
  const [isLeaving, setLeaving] = useState(false)
  const { busy, error, run } = useAction(async () => setOffer(await post<Offer>(PATH)))
  const done = () => {
    setOffer(undefined)
    setLeaving(false)
    return readSessionAgain()
  }
  return (
    <Card title="Authenticator" actions={has_totp ? <Badge tone="good">on</Badge> : <Badge>off</Badge>}>
      <p className={s.dim}>
        {has_totp
          ? 'Signing in takes your password and a code from your authenticator.'
          : 'With an authenticator, a password alone does not get anybody in.'}
      </p>
      <ErrorNote error={error} />
      {offer && !has_totp && <SetUp offer={offer} onDone={done} />}
      {!offer && !has_totp && (
        <div>
          <Button busy={busy} onClick={() => run()}>
            Set up
          </Button>
        </div>
      )}
      {has_totp && (
        <div>
          <Button onClick={() => setLeaving(true)}>Take it off …</Button>
        </div>
      )}
      {isLeaving && <TakeOff onDone={done} onClose={() => setLeaving(false)} />}
    </Card>
  )
}

function SetUp({ offer, onDone }: { offer: Offer; onDone: () => Promise<unknown> }) {
  const confirm = async (Totp: string) => {
    await post(PATH, { Secret: offer.secret, Totp })
    await onDone()
  }
  const { busy, error, run } = useAction(confirm)
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    run(textIn(new FormData(event.currentTarget), 'Totp'))
  }
  return (
    <div className={s.setUp}>
      <QrCode text={offer.uri} />
      <form className={s.form} onSubmit={submit}>
        <CopyField label="Scan this, or type the secret" value={offer.secret} />
        <TextField label="The code that it shows now" {...CODE} error={errorAt(error, 'Totp')} />
        <ErrorNote error={errorBeside(error, ['Totp'])} />
        <Button type="submit" look="main" busy={busy}>
          Turn on
        </Button>
      </form>
    </div>
  )
}

function TakeOff({ onDone, onClose }: { onDone: () => Promise<unknown>; onClose: () => void }) {
  const takeOff = async (form: FormData) => {
    await remove(PATH, { Totp: textIn(form, 'Totp') })
    await onDone()
  }
  return (
    <FormDialog
      title="Take the authenticator off?"
      verb="Take it off"
      fields={['Totp']}
      act={takeOff}
      onClose={onClose}
    >
      {(error) => (
        <>
          <p>From then on your password alone gets you in, and whoever else has it.</p>
          <TextField label="The code that it shows now" {...CODE} error={errorAt(error, 'Totp')} />
        </>
      )}
    </FormDialog>
  )
}

function QrCode({ text }: { text: string }) {
  const { data, size } = encode(text, { border: 2 })
  const modules = data.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : '')))
  return (
    <svg className={s.qr} viewBox={`0 0 ${size} ${size}`} role="img" aria-label="The secret as a QR code">
      <path d={modules.join('')} />
    </svg>
  )
}
