import type { ApiError } from '../../api/http.ts'
import { errorAt } from '../../api/parameter.ts'
import { CheckField, Field, SelectField, TextField } from '../../kit/field.tsx'
import { lasting } from '../../kit/text.tsx'
import s from './services.module.css'
import type { Setting } from './settings.ts'

/** One setting, as its kind is best filled in. */
export function SettingField({
  setting,
  value,
  error,
  onChange,
}: {
  setting: Setting
  value: string
  error: ApiError | undefined
  onChange: (value: string) => void
}) {
  const { kind, label, hint, name } = setting
  const said = { label, hint, error: errorAt(error, name) }
  const filled = { name, value, onChange: (event: { target: { value: string } }) => onChange(event.target.value) }
  if (kind === 'flag') {
    return (
      <CheckField
        label={label}
        hint={said.error ?? hint}
        name={name}
        checked={value === 'true'}
        onChange={(event) => onChange(String(event.target.checked))}
      />
    )
  }
  if (kind === 'choice') {
    return (
      <SelectField {...said} {...filled}>
        {setting.choices.map(([choice, text]) => (
          <option key={choice} value={choice}>
            {text}
          </option>
        ))}
      </SelectField>
    )
  }
  if (kind === 'words' || kind === 'lines') {
    return <Field {...said}>{(ties) => <textarea {...ties} {...filled} rows={kind === 'lines' ? 3 : 2} />}</Field>
  }
  if (kind === 'number' || kind === 'seconds') {
    return (
      <Field {...said}>
        {(ties) => (
          <div className={s.number}>
            <input {...ties} {...filled} type="number" min={setting.min} max={setting.max} step={1} />
            {kind === 'seconds' && <span>seconds{inWords(value)}</span>}
          </div>
        )}
      </Field>
    )
  }
  return <TextField {...said} {...filled} type={kind === 'url' ? 'url' : 'text'} spellCheck={false} />
}

const inWords = (seconds: string) => (Number(seconds) >= 60 ? ` = ${lasting(Number(seconds) * 1000)}` : '')
