import type { ComponentType } from 'react'
import type { Session } from '../api/session.tsx'
import type { IconName } from '../kit/icon.tsx'
import { Phones } from '../pages/phones/phones.tsx'
import { Callbacks } from '../pages/callbacks/callbacks.tsx'
import { Numbers } from '../pages/numbers/numbers.tsx'

export type PageEntry = {
  path: string
  page: ComponentType
  /** In the menu under this name. */
  name?: string
  icon?: IconName
  group?: 'See' | 'Run' | 'Set up'
  /** Who may not do this does not see it. */
  scope?: string
  needs?: 'simulator'
}

/** Every page there is. Those with a name stand in the menu, in this order. */
export const PAGES: PageEntry[] = [
  {
    path: '/phones',
    page: Phones,
    name: 'Phones',
    icon: 'phone',
    group: 'See',
    scope: 'simulator',
    needs: 'simulator',
  },
  { path: '/numbers', page: Numbers, name: 'Numbers', icon: 'numbers', group: 'See', scope: 'numbers:read' },
  { path: '/callbacks', page: Callbacks, name: 'Callbacks', icon: 'callbacks', group: 'See', scope: 'callbacks:read' },
]

export const homeOf = ({ has_simulator, scopes }: Session): string =>
  has_simulator && scopes.includes('simulator') ? '/phones' : '/sessions'
