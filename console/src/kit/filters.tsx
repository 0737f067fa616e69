import type { ReactNode } from 'react'
import s from './filters.module.css'

/** What narrows a list, side by side. */
export const Filters = ({ label, children }: { label: string; children: ReactNode }) => (
  <search className={s.filters} aria-label={label}>
    {children}
  </search>
)
