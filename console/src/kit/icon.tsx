import s from './kit.module.css'

// Drawn on a grid of 24, in lines.
const PATHS = {
  phone: 'M8 2h8a2 2 0 0 1 2 2v16a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2zM11 18h2',
  sessions: 'M4 6h11a3 3 0 0 1 0 6H9a3 3 0 0 0 0 6h11',
  traffic: 'M4 8h14l-4-4M20 16H6l4 4',
  numbers:
    'M4 4h4v4H4zM10 4h4v4h-4zM16 4h4v4h-4zM4 10h4v4H4zM10 10h4v4h-4zM16 10h4v4h-4zM4 16h4v4H4zM10 16h4v4h-4zM16 16h4v4h-4z',
  callbacks: 'M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5',
  events: 'M12 3 2 20h20zM12 10v4M12 17v.5',
  services: 'M4 5h16v6H4zM4 13h16v6H4zM7 8h1M7 16h1',
  keys: 'M14 10a4 4 0 1 0-3 3l2 2h2v2h2v2h3v-3l-6-6M8.500 8.500h.1',
  accounts: 'M3 21V7l9-4 9 4v14M8 21v-6h8v6M8 10h1M15 10h1',
  users:
    'M8 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2 20a6 6 0 0 1 12 0M16 4.500a3.500 3.500 0 0 1 0 6.500M17 14a6 6 0 0 1 5 6',
  audit: 'M6 3h9l4 4v14H6zM14 3v5h5M9 13h6M9 17h6',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M4 12l5 5L20 6',
  close: 'M5 5l14 14M19 5 5 19',
  menu: 'M4 7h16M4 12h16M4 17h16',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500 19 19M5 19l1.500-1.500M17.500 6.500 19 5',
  moon: 'M20 14A8 8 0 1 1 10 4a6.500 6.500 0 0 0 10 10z',
  call: 'M5 3h4l2 5-3 2a12 12 0 0 0 6 6l2-3 5 2v4a2 2 0 0 1-2 2A16 16 0 0 1 3 5a2 2 0 0 1 2-2z',
  eye: 'M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  picture: 'M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 6M15.500 9.500h.1',
  send: 'M3 11 21 3l-8 18-2-8z',
  plus: 'M12 5v14M5 12h14',
  right: 'M9 5l7 7-7 7',
} as const

export type IconName = keyof typeof PATHS

/** Beside a text that says the same, so readers pass it over. */
export const Icon = ({ name }: { name: IconName }) => (
  <svg className={s.icon} viewBox="0 0 24 24" aria-hidden="true">
    <path d={PATHS[name]} />
  </svg>
)
