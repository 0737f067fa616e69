import { post } from '../../api/http.ts'
import { errorAt } from '../../api/parameter.ts'
import type { Account } from '../../api/set-up-bodies.ts'
import { useAction } from '../../api/use.ts'
import { Confirm } from '../../kit/dialog.tsx'
import { TextField } from '../../kit/field.tsx'
import { FormDialog, textIn } from '../../kit/form-dialog.tsx'

type Done = (account: Account & { auth_token?: string }) => void

/** Makes an account, or gives one another name. */
export function AccountName({ account, onDone, onClose }: { account?: Account; onDone: Done; onClose: () => void }) {
  const save = async (form: FormData) => {
    const path = account ? `/maskline/v1/Accounts/${account.sid}` : '/maskline/v1/Accounts'
    onDone(await post(path, { FriendlyName: textIn(form, 'FriendlyName') }))
  }
  return (
    <FormDialog
      title={account ? 'Rename the account' : 'New account'}
      verb={account ? 'Rename' : 'Create'}
      fields={['FriendlyName']}
      act={save}
      onClose={onClose}
    >
      {(error) => (
        <TextField
          label="Name"
          name="FriendlyName"
          defaultValue={account?.friendly_name}
          hint="A customer, a team or an application. It has services and numbers of its own."
          error={errorAt(error, 'FriendlyName')}
          maxLength={64}
          required
        />
      )}
    </FormDialog>
  )
}

export function SuspendOrResume({ account, onDone, onClose }: { account: Account; onDone: Done; onClose: () => void }) {
  const isActive = account.status === 'active'
  const { busy, error, run } = useAction(async () =>
    onDone(await post(`/maskline/v1/Accounts/${account.sid}`, { Status: isActive ? 'suspended' : 'active' })),
  )
  return (
    <Confirm
      title={`${isActive ? 'Suspend' : 'Resume'} ${account.friendly_name || account.sid}?`}
      verb={isActive ? 'Suspend' : 'Resume'}
      danger={isActive}
      busy={busy}
      error={error}
      onConfirm={run}
      onClose={onClose}
    >
      <p>
        {isActive
          ? 'Within five seconds its requests are refused with 20005, and nobody can text or call its numbers. ' +
            'Messages that were accepted are still sent, and calls go on until people hang up.'
          : 'Within five seconds its requests are taken again, and its numbers can be texted and called.'}
      </p>
    </Confirm>
  )
}
