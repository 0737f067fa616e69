import { type FormEvent, useState } from 'react'
import { type Params, post } from '../../api/http.ts'
import { errorBeside } from '../../api/parameter.ts'
import { useMay } from '../../api/session.tsx'
import { useAction } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { ErrorNote } from '../../kit/states.tsx'
import s from './services.module.css'
import { SettingField } from './setting-field.tsx'
import { type Group, type Setting, sentValue, shownValue, type Values } from './settings.ts'

const pathOf = { service: '/v1/Services', settings: '/maskline/v1/Services' }

/** Posts what was changed to where it belongs: first what is the vendor's, then what is ours. */
async function save(sid: string, changed: [Setting, string][], reload: () => Promise<unknown>) {
  for (const of of ['service', 'settings'] as const) {
    const params: Params = Object.fromEntries(
      changed
        .filter(([setting]) => setting.of === of)
        .map(([setting, shown]) => [setting.name, sentValue(setting, shown)]),
    )
    if (Object.keys(params).length === 0) continue
    try {
      await post(`${pathOf[of]}/${sid}${of === 'settings' ? '/Settings' : ''}`, params)
    } finally {
      await reload()
    }
  }
}

/** Settings that belong together, saved together: only what was changed. */
export function SettingsForm({
  group,
  values,
  reload,
}: {
  group: Group
  values: Values
  reload: () => Promise<unknown>
}) {
  const may = useMay('services:write')
  const { busy, error, run } = useAction(save)
  const [draft, setDraft] = useState<Record<string, string>>({})
  const [saved, setSaved] = useState(false)
  const changed = group.settings.flatMap((setting): [Setting, string][] => {
    const given = draft[setting.name]
    return given === undefined || given === shownValue(setting, values) ? [] : [[setting, given]]
  })
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (changed.length === 0 || !(await run(values.service.sid, changed, reload))) return
    setDraft({})
    setSaved(true)
  }
  const change = (name: string, shown: string) => {
    setSaved(false)
    setDraft({ ...draft, [name]: shown })
  }
  return (
    <section className={s.group} aria-label={group.title}>
      <div className={s.about}>
        <h2>{group.title}</h2>
        <p>{group.text}</p>
      </div>
      <form className={s.card} onSubmit={submit}>
        <fieldset disabled={!may} className={s.fields}>
          {group.settings.map((setting) => (
            <div key={setting.name} data-kind={setting.kind}>
              <SettingField
                setting={setting}
                value={draft[setting.name] ?? shownValue(setting, values)}
                error={error}
                onChange={(shown) => change(setting.name, shown)}
              />
            </div>
          ))}
        </fieldset>
        <ErrorNote
          error={errorBeside(
            error,
            group.settings.map(({ name }) => name),
          )}
        />
        {may && (
          <footer className={s.save}>
            <span role="status">{saved ? 'Saved.' : countOf(changed.length)}</span>
            <Button disabled={changed.length === 0} onClick={() => setDraft({})}>
              Discard
            </Button>
            <Button type="submit" look="main" busy={busy} disabled={changed.length === 0}>
              Save
            </Button>
          </footer>
        )}
      </form>
    </section>
  )
}

const countOf = (count: number) => (count === 0 ? '' : count === 1 ? '1 change' : `${count} changes`)
