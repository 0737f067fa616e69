import { useEffect } from 'react'
import type { useServices } from '../api/service.ts'
import { SelectField } from '../kit/field.tsx'

/** Chooses one of the services, which it reads to the last page; with `any`, also all of them, under that name. */
export function ServiceField({
  services: { rows = [], more, isLoading },
  value,
  any,
  onChange,
}: {
  services: ReturnType<typeof useServices>
  value: string
  any?: string
  onChange: (sid: string) => void
}) {
  useEffect(() => {
    if (more && !isLoading) more()
  }, [more, isLoading])
  return (
    <SelectField label="Service" value={value} onChange={(event) => onChange(event.target.value)}>
      {any && <option value="">{any}</option>}
      {rows.map(({ sid, unique_name }) => (
        <option key={sid} value={sid}>
          {unique_name}
        </option>
      ))}
    </SelectField>
  )
}
