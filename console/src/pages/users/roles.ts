import type { Role } from '../../api/session.tsx'

export const ROLES: readonly { value: Role; label: string; hint: string }[] = [
  {
    value: 'viewer',
    label: 'Viewer',
    hint: 'Sees sessions, traffic, numbers and settings. People’s numbers and texts are masked.',
  },
  {
    value: 'operator',
    label: 'Operator',
    hint: 'Runs sessions, numbers and callbacks. May reveal one number or text at a time, on record.',
  },
  {
    value: 'admin',
    label: 'Admin',
    hint: 'Runs everything, and sets up services, API keys, users and retention. Sees the audit log.',
  },
]
