import type { ComponentProps, ReactNode } from 'react'
import { Icon, type IconName } from './icon.tsx'
import s from './kit.module.css'

type Looks = { look?: 'plain' | 'main' | 'danger' | 'quiet'; icon?: IconName; busy?: boolean; children?: ReactNode }

/** `busy` while what it asked for is under way. With an icon alone it needs an `aria-label`. */
export const Button = ({
  look = 'plain',
  icon,
  busy,
  children,
  className,
  ...rest
}: Looks & ComponentProps<'button'>) => (
  <button
    type="button"
    {...rest}
    className={[s.button, s[look], !children && s.bare, className].filter(Boolean).join(' ')}
    aria-busy={busy || undefined}
  >
    {icon && <Icon name={icon} />}
    {children}
  </button>
)

type Tone = 'good' | 'bad' | 'warn' | 'info' | 'dim'

/** A word with a colour; the word alone says enough. */
export const Badge = ({ tone = 'dim', children }: { tone?: Tone; children: ReactNode }) => (
  <span className={`${s.badge} ${s[tone]}`}>{children}</span>
)
