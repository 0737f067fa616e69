import { useState } from 'react'
import { post } from '../../api/http.ts'
import { errorAt } from '../../api/parameter.ts'
import type { ApiKey, KeyType } from '../../api/set-up-bodies.ts'
import { Choice } from '../../kit/choice.tsx'
import { CheckField, TextField } from '../../kit/field.tsx'
import { FormDialog, textIn } from '../../kit/form-dialog.tsx'
import s from './keys.module.css'
import { SCOPE_GROUPS, TYPES } from './scopes.ts'

const FIELDS = ['FriendlyName', 'Scopes']

/** Makes a key, or changes one. */
export function KeyDialog({
  apiKey,
  onDone,
  onClose,
}: {
  apiKey?: ApiKey
  onDone: (key: ApiKey & { secret?: string }) => void
  onClose: () => void
}) {
  const [type, setType] = useState<KeyType>(apiKey?.type ?? 'restricted')
  const save = async (form: FormData) => {
    const Scopes = type === 'restricted' ? form.getAll('Scopes').map(String) : []
    const path = apiKey ? `/maskline/v1/Keys/${apiKey.sid}` : '/maskline/v1/Keys'
    onDone(await post(path, { FriendlyName: textIn(form, 'FriendlyName'), Type: type, Scopes }))
  }
  return (
    <FormDialog
      title={apiKey ? `Change ${apiKey.friendly_name}` : 'New API key'}
      verb={apiKey ? 'Save' : 'Create'}
      fields={FIELDS}
      act={save}
      onClose={onClose}
    >
      {(error) => (
        <>
          <TextField
            label="Name"
            name="FriendlyName"
            defaultValue={apiKey?.friendly_name}
            hint="What uses it. Nobody’s name or number."
            error={errorAt(error, 'FriendlyName')}
            maxLength={64}
            required
          />
          <Choice label="What it may do" name="Type" value={type} onChange={setType} choices={TYPES} />
          {type === 'restricted' && (
            <ScopeList chosen={apiKey?.type === 'restricted' ? apiKey.scopes : []} error={errorAt(error, 'Scopes')} />
          )}
        </>
      )}
    </FormDialog>
  )
}

function ScopeList({ chosen, error }: { chosen: string[]; error: string | undefined }) {
  return (
    <div className={s.scopes}>
      {error && (
        <p role="alert" className={s.wrong}>
          {error}
        </p>
      )}
      {SCOPE_GROUPS.map(({ title, scopes }) => (
        <fieldset key={title} className={s.group}>
          <legend>{title}</legend>
          {scopes.map(([scope, meaning]) => (
            <CheckField
              key={scope}
              label={scope}
              hint={meaning}
              name="Scopes"
              value={scope}
              defaultChecked={chosen.includes(scope)}
            />
          ))}
        </fieldset>
      ))}
    </div>
  )
}
