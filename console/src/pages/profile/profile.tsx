import { signOut, useSession } from '../../api/session.tsx'
import { Badge, Button } from '../../kit/button.tsx'
import { Choice } from '../../kit/choice.tsx'
import { Card, Facts, Page } from '../../kit/page.tsx'
import { Sid, Time } from '../../kit/text.tsx'
import { applyTheme, useChosenTheme } from '../../layout/theme.ts'
import { ROLES } from '../users/roles.ts'
import { Authenticator } from './authenticator.tsx'
import { Password } from './password.tsx'
import s from './profile.module.css'

/** Who is signed in, and what is theirs to choose. */
export function Profile() {
  const { user } = useSession()
  return (
    <Page title={user.name} actions={<Button onClick={() => signOut()}>Sign out</Button>}>
      <Me />
      <div className={s.cards}>
        <Password />
        <div className={s.column}>
          <Authenticator />
          <Colours />
        </div>
      </div>
    </Page>
  )
}

function Me() {
  const { user, account, scopes, version, date_idle_expiry, date_expiry } = useSession()
  const role = ROLES.find(({ value }) => value === user.role)
  return (
    <Card>
      <Facts
        facts={[
          ['Role', <Badge key="role">{role?.label ?? user.role}</Badge>],
          ['Account', account.friendly_name || account.sid],
          ['Account SID', <Sid key="sid" sid={account.sid} />],
          ['Signed out when idle', <Time key="idle" date={date_idle_expiry} />],
          ['Signed out at the latest', <Time key="end" date={date_expiry} />],
          ['Maskline', version],
        ]}
      />
      <p className={s.dim}>
        {role?.hint} {user.account_sid === null && 'In all accounts, one at a time.'}
      </p>
      <details>
        <summary>What you may do, in the scopes of the API</summary>
        <ul className={s.scopes}>
          {scopes.map((scope) => (
            <li key={scope}>
              <Badge>{scope}</Badge>
            </li>
          ))}
        </ul>
      </details>
    </Card>
  )
}

const THEMES = [
  { value: 'system', label: 'As the system', hint: '' },
  { value: 'light', label: 'Light', hint: '' },
  { value: 'dark', label: 'Dark', hint: '' },
] as const

function Colours() {
  const theme = useChosenTheme()
  return (
    <Card title="Colours">
      <Choice label="Show pages" name="theme" value={theme} choices={THEMES} onChange={applyTheme} />
    </Card>
  )
}
