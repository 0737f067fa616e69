import { useState } from 'react'
import { post, remove } from '../../api/http.ts'
import { errorAt } from '../../api/parameter.ts'
import { type Role, useSession } from '../../api/session.tsx'
import type { Account, User } from '../../api/set-up-bodies.ts'
import { useAction } from '../../api/use.ts'
import { Choice } from '../../kit/choice.tsx'
import { Confirm } from '../../kit/dialog.tsx'
import { SelectField, TextField } from '../../kit/field.tsx'
import { FormDialog, textIn } from '../../kit/form-dialog.tsx'
import { ROLES } from './roles.ts'

export function NewUser({
  accounts,
  onDone,
  onClose,
}: {
  accounts: Account[]
  onDone: (user: User & { link?: string }) => void
  onClose: () => void
}) {
  const [role, setRole] = useState<Role>('viewer')
  const { user, account } = useSession()
  const create = async (form: FormData) => {
    const AccountSid = textIn(form, 'AccountSid') || undefined
    onDone(await post('/maskline/v1/Users', { Name: textIn(form, 'Name'), Role: role, AccountSid }))
  }
  return (
    <FormDialog title="New user" verb="Create" fields={['Name', 'AccountSid']} act={create} onClose={onClose}>
      {(error) => (
        <>
          <TextField
            label="Name"
            name="Name"
            hint="By which they sign in."
            error={errorAt(error, 'Name')}
            maxLength={64}
            required
          />
          <Choice label="Role" name="Role" value={role} choices={ROLES} onChange={setRole} />
          {user.account_sid === null && (
            <SelectField
              label="Account"
              name="AccountSid"
              defaultValue={account.sid}
              hint="What they see and do is of this account alone."
              error={errorAt(error, 'AccountSid')}
            >
              {(accounts.length > 0 ? accounts : [account]).map(({ sid, friendly_name }) => (
                <option key={sid} value={sid}>
                  {friendly_name || sid}
                </option>
              ))}
              <option value="">All accounts</option>
            </SelectField>
          )}
        </>
      )}
    </FormDialog>
  )
}

export function DeleteUser({ user, onDone, onClose }: { user: User; onDone: () => void; onClose: () => void }) {
  const { busy, error, run } = useAction(remove)
  const confirm = async () => {
    if (await run(`/maskline/v1/Users/${user.sid}`)) onDone()
  }
  return (
    <Confirm
      title={`Delete ${user.name}?`}
      verb="Delete"
      danger
      busy={busy}
      error={error}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>They are signed out within seconds and cannot come back. What they did stays in the audit log.</p>
    </Confirm>
  )
}
