import type { ComponentType } from 'react'
import type { Session } from '../api/session.tsx'
import type { IconName } from '../kit/icon.tsx'
import { Accounts } from '../pages/accounts/accounts.tsx'
import { Audit } from '../pages/audit/audit.tsx'
import { Callbacks } from '../pages/callbacks/callbacks.tsx'
import { Events } from '../pages/events/events.tsx'
import { Keys } from '../pages/keys/keys.tsx'
import { Numbers } from '../pages/numbers/numbers.tsx'
import { Phones } from '../pages/phones/phones.tsx'
import { Profile } from '../pages/profile/profile.tsx'
import { Search } from '../pages/search/search.tsx'
import { ServicePage } from '../pages/services/service.tsx'
import { Services } from '../pages/services/services.tsx'
import { SessionPage } from '../pages/sessions/session.tsx'
import { Sessions } from '../pages/sessions/sessions.tsx'
import { Traffic } from '../pages/traffic/traffic.tsx'
import { Why } from '../pages/traffic/why.tsx'
import { Users } from '../pages/users/users.tsx'

export type PageEntry = {
  path: string
  page: ComponentType
  /** In the menu under this name. */
  name?: string
  icon?: IconName
  group?: 'See' | 'Run' | 'Set up'
  /** Who may not do this does not see it. */
  scope?: string
  needs?: 'simulator' | 'all accounts'
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
  { path: '/sessions', page: Sessions, name: 'Sessions', icon: 'sessions', group: 'See', scope: 'sessions:read' },
  { path: '/sessions/:ServiceSid/:SessionSid', page: SessionPage },
  { path: '/traffic', page: Traffic, name: 'Traffic', icon: 'traffic', group: 'See', scope: 'interactions:read' },
  { path: '/traffic/:InteractionSid', page: Why },
  { path: '/numbers', page: Numbers, name: 'Numbers', icon: 'numbers', group: 'See', scope: 'numbers:read' },
  { path: '/callbacks', page: Callbacks, name: 'Callbacks', icon: 'callbacks', group: 'See', scope: 'callbacks:read' },
  { path: '/search', page: Search },
  { path: '/events', page: Events, name: 'Events', icon: 'events', group: 'See', scope: 'events:read' },
  { path: '/services', page: Services, name: 'Services', icon: 'services', group: 'Run', scope: 'services:read' },
  { path: '/services/:ServiceSid', page: ServicePage, scope: 'services:read' },
  { path: '/keys', page: Keys, name: 'API keys', icon: 'keys', group: 'Set up', scope: 'keys' },
  { path: '/users', page: Users, name: 'Users', icon: 'users', group: 'Set up', scope: 'users' },
  { path: '/accounts', page: Accounts, name: 'Accounts', icon: 'accounts', group: 'Set up', needs: 'all accounts' },
  { path: '/audit', page: Audit, name: 'Audit log', icon: 'audit', group: 'Set up', scope: 'audit:read' },
  { path: '/profile', page: Profile },
]

export const homeOf = ({ has_simulator, scopes }: Session): string =>
  has_simulator && scopes.includes('simulator') ? '/phones' : '/sessions'
