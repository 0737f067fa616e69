import { type FormEvent, useId } from 'react'
import type { ProxySession, Service } from '../../api/bodies.ts'
import { post } from '../../api/http.ts'
import { useAction, useGet } from '../../api/use.ts'
import { Button } from '../../kit/button.tsx'
import { Dialog } from '../../kit/dialog.tsx'
import { SelectField, TextField } from '../../kit/field.tsx'
import kit from '../../kit/kit.module.css'
import { ErrorNote } from '../../kit/states.tsx'
import { inUnits, MODES, secondsOf, UNIT_NAMES, type Unit } from './session-words.ts'
import s from './sessions.module.css'

type Props = { service: Service; onCreated: (session: ProxySession) => void; onClose: () => void }

/** Two people, how long, and by which ways. A person may be left out and be added later. */
export function NewSession({ service, onCreated, onClose }: Props) {
  const { busy, error, run } = useAction(async (form: FormData) => {
    onCreated(await post<ProxySession>(`/v1/Services/${service.sid}/Sessions`, toParams(form)))
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    run(new FormData(event.currentTarget))
  }
  return (
    <Dialog title={`New session in ${service.unique_name}`} onClose={onClose}>
      <form className={kit.stack} onSubmit={submit}>
        <div className={s.pair}>
          <TextField label="Name (optional)" name="UniqueName" maxLength={191} hint="As in order-1234; unique." />
          <SelectField label="Takes" name="Mode">
            {Object.entries(MODES).map(([mode, words]) => (
              <option key={mode} value={mode}>
                {words}
              </option>
            ))}
          </SelectField>
        </div>
        <TtlFields seconds={service.default_ttl} />
        <PersonFields title="One person" number={1} service_sid={service.sid} />
        <PersonFields title="The other" number={2} service_sid={service.sid} />
        <ErrorNote error={error} />
        <footer className={kit.actions}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="main" busy={busy}>
            Create session
          </Button>
        </footer>
      </form>
    </Dialog>
  )
}

/** How long a session stands when nothing comes. */
export function TtlFields({ seconds }: { seconds: number }) {
  const { count, unit } = inUnits(seconds)
  return (
    <div className={s.pair}>
      <TextField
        label="Ends after"
        name="TtlCount"
        type="number"
        min={0}
        step="any"
        required
        defaultValue={count}
        hint="Counted from the last interaction; 0 for never."
      />
      <SelectField label="Counted in" name="TtlUnit" defaultValue={unit}>
        {UNIT_NAMES.map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </SelectField>
    </div>
  )
}

export const ttlOf = (form: FormData): number => secondsOf(Number(form.get('TtlCount')), form.get('TtlUnit') as Unit)

function PersonFields({ title, number, service_sid }: { title: string; number: 1 | 2; service_sid: string }) {
  return (
    <fieldset className={s.person}>
      <legend>{title}</legend>
      <IdentifierFields service_sid={service_sid} suffix={String(number)} />
    </fieldset>
  )
}

type Pool = { phone_numbers: { sid: string; phone_number: string }[] }

/** Whose number, and by which proxy number, which is chosen unless one is given. */
export function IdentifierFields({
  service_sid,
  suffix = '',
  required = false,
}: {
  service_sid: string
  suffix?: string
  required?: boolean
}) {
  const options = useId()
  const { data } = useGet<Pool>(`/v1/Services/${service_sid}/PhoneNumbers?PageSize=100`)
  return (
    <>
      <div className={s.pair}>
        <TextField
          label="Number"
          name={`Identifier${suffix}`}
          type="tel"
          placeholder="+12025550123"
          maxLength={191}
          required={required}
        />
        <TextField
          label="Proxy number (optional)"
          name={`ProxyIdentifier${suffix}`}
          list={options}
          maxLength={255}
          placeholder="chosen from the pool"
        />
      </div>
      <TextField
        label="Called (optional)"
        name={`FriendlyName${suffix}`}
        maxLength={255}
        hint="As in driver or customer: shown to everyone here, so nobody's name."
      />
      <datalist id={options}>
        {data?.phone_numbers.map(({ sid, phone_number }) => (
          <option key={sid} value={phone_number} />
        ))}
      </datalist>
    </>
  )
}

const text = (form: FormData, name: string) => String(form.get(name) ?? '').trim()

/** As the API takes one person. */
export function personOf(form: FormData, suffix = '') {
  const given = ['Identifier', 'ProxyIdentifier', 'FriendlyName'].map((name) => [name, text(form, name + suffix)])
  return Object.fromEntries(given.filter(([, value]) => value !== '')) as Record<string, string>
}

function toParams(form: FormData) {
  const people = ['1', '2'].map((suffix) => personOf(form, suffix)).filter(({ Identifier }) => Identifier)
  return {
    UniqueName: text(form, 'UniqueName') || undefined,
    Mode: text(form, 'Mode'),
    Ttl: ttlOf(form),
    Participants: people.map((person) => JSON.stringify(person)),
  }
}
