import { useState } from 'react'
import { post } from '../../api/http.ts'
import { errorAt } from '../../api/parameter.ts'
import type { Role } from '../../api/session.tsx'
import type { User } from '../../api/set-up-bodies.ts'
import { useAction } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Choice } from '../../kit/choice.tsx'
import { CheckField } from '../../kit/field.tsx'
import { FormDialog } from '../../kit/form-dialog.tsx'
import { ErrorNote } from '../../kit/states.tsx'
import { ROLES } from './roles.ts'
import s from './users.module.css'

type Changed = User & { link?: string }

const change = (sid: string, params: Record<string, string | boolean>) =>
  post<Changed>(`/maskline/v1/Users/${sid}`, params)

/** Role and access of another user, and what helps somebody who cannot get in. */
export function UserDialog({
  user,
  onDone,
  onDelete,
  onClose,
}: {
  user: User
  onDone: (user: Changed) => void
  onDelete: () => void
  onClose: () => void
}) {
  const [role, setRole] = useState<Role>(user.role)
  // What is given ends their sessions, so what stays as it is is not given.
  const save = async (form: FormData) => {
    const Disabled = form.has('Disabled')
    onDone(
      await change(user.sid, {
        ...(role !== user.role && { Role: role }),
        ...(Disabled !== user.is_disabled && { Disabled }),
      }),
    )
  }
  return (
    <FormDialog title={`Change ${user.name}`} verb="Save" fields={['Role']} act={save} onClose={onClose}>
      {(error) => (
        <>
          <Choice label="Role" name="Role" value={role} choices={ROLES} onChange={setRole} />
          {errorAt(error, 'Role') && <p role="alert">{errorAt(error, 'Role')}</p>}
          <CheckField
            label="Disabled"
            name="Disabled"
            defaultChecked={user.is_disabled}
            hint="Signed out within seconds, and not let in until this is taken back."
          />
          <Help user={user} onDone={onDone} onDelete={onDelete} />
        </>
      )}
    </FormDialog>
  )
}

function Help({ user, onDone, onDelete }: { user: User; onDone: (user: Changed) => void; onDelete: () => void }) {
  const { busy, error, run } = useAction(async (params: Record<string, boolean>) =>
    onDone(await change(user.sid, params)),
  )
  return (
    <div className={s.more}>
      <h3>Access</h3>
      <div className={s.deeds}>
        <Button busy={busy} onClick={() => run({ NewLink: true })}>
          New sign-in link
        </Button>
        {user.has_totp && (
          <Button busy={busy} onClick={() => run({ ResetTotp: true })}>
            Take the authenticator off
          </Button>
        )}
        <Button onClick={onDelete}>Delete …</Button>
      </div>
      <ErrorNote error={error} />
    </div>
  )
}
