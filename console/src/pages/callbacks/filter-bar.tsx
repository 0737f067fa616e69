import type { Endpoint } from '../../api/bodies.ts'
import type { useServices } from '../../api/service.ts'
import { SelectField } from '../../kit/field.tsx'
import { Filters } from '../../kit/filters.tsx'
import { ServiceField } from '../service-field.tsx'
import { type Filter, PERIODS, STATUSES, sinceOf } from './filter.ts'

type Filtering = {
  filter: Filter
  services: ReturnType<typeof useServices>
  endpoints: Endpoint[]
  onChange: (filter: Filter) => void
}

/** Only failed ones can be asked for by their endpoint, so choosing one chooses the other. */
export function FilterBar({ filter, services, endpoints, onChange }: Filtering) {
  const set = (part: Partial<Filter>) => onChange({ ...filter, ...part })
  const names = new Set([...endpoints.map(({ endpoint }) => endpoint), ...(filter.endpoint ? [filter.endpoint] : [])])
  return (
    <Filters label="Which callbacks">
      <SelectField
        label="Status"
        value={filter.status}
        onChange={(event) =>
          set({ status: event.target.value, endpoint: event.target.value === 'failed' ? filter.endpoint : '' })
        }
      >
        <option value="">Any</option>
        {Object.entries(STATUSES).map(([status, name]) => (
          <option key={status} value={status}>
            {name}
          </option>
        ))}
      </SelectField>
      <ServiceField
        services={services}
        value={filter.service}
        any="All services"
        onChange={(service) => set({ service })}
      />
      <SelectField
        label="Endpoint"
        value={filter.endpoint}
        onChange={(event) =>
          set({ endpoint: event.target.value, status: event.target.value ? 'failed' : filter.status })
        }
      >
        <option value="">Any</option>
        {[...names].map((endpoint) => (
          <option key={endpoint} value={endpoint}>
            {endpoint}, failed
          </option>
        ))}
      </SelectField>
      <SelectField label="Made" value={filter.since_s} onChange={(event) => set(sinceOf(Number(event.target.value)))}>
        {PERIODS.map(([seconds, name]) => (
          <option key={seconds} value={seconds}>
            {name}
          </option>
        ))}
      </SelectField>
    </Filters>
  )
}
