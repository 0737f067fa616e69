import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { ask, forgetAsked } from '../api/asked.ts'
import { signOut, useSession } from '../api/session.tsx'
import { Button } from '../kit/button.tsx'
import { Icon } from '../kit/icon.tsx'
import { PAGES, type PageEntry } from './pages.ts'
import s from './shell.module.css'
import { applyTheme, useChosenTheme } from './theme.ts'

/** What stands around every page: the menu, the search, whose account it is. */
export function Shell({ children }: { children: ReactNode }) {
  const [isOpen, setOpen] = useState(false)
  const [path] = useLocation()
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  // biome-ignore lint/correctness/useExhaustiveDependencies: it runs whenever another page is shown
  useEffect(() => {
    setOpen(false)
    // Who goes to another page with the keyboard goes on from its heading.
    if (!first.current) main.current?.querySelector('h1')?.focus()
    first.current = false
  }, [path])
  return (
    <div className={s.shell}>
      <a className={s.skip} href="#main">
        Skip to the page
      </a>
      <header className={s.top}>
        <Button
          look="quiet"
          icon="menu"
          className={s.burger ?? ''}
          aria-label="Menu"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        />
        <Link href="/" className={s.brand}>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M5 11h7l4 9h11" />
            <circle cx="5.500" cy="11" r="3.200" />
            <circle cx="26.500" cy="20" r="3.200" />
          </svg>
          Maskline
        </Link>
        <SearchBox />
        <Account />
      </header>
      <nav className={s.nav} data-open={isOpen || undefined} aria-label="Pages">
        <Menu path={path} />
      </nav>
      <main id="main" ref={main} className={s.main}>
        {children}
      </main>
    </div>
  )
}

function Menu({ path }: { path: string }) {
  const { scopes, has_simulator, user } = useSession()
  const has = { simulator: has_simulator, 'all accounts': user.account_sid === null }
  const isShown = ({ name, scope, needs }: PageEntry) =>
    name && (!scope || scopes.includes(scope)) && (!needs || has[needs])
  return (['See', 'Run', 'Set up'] as const).map((group) => {
    const pages = PAGES.filter((page) => page.group === group && isShown(page))
    if (pages.length === 0) return null
    return (
      <div key={group}>
        <h2 id={`menu-${group}`}>{group}</h2>
        <ul aria-labelledby={`menu-${group}`}>
          {pages.map(({ path: to, name, icon }) => (
            <li key={to}>
              <Link href={to} aria-current={path === to || path.startsWith(`${to}/`) ? 'page' : undefined}>
                {icon && <Icon name={icon} />}
                {name}
              </Link>
            </li>
          ))}
        </ul>
      </div>
    )
  })
}

/** What is looked for is kept out of the address: it may be somebody's number. */
function SearchBox() {
  const [, navigate] = useLocation()
  const input = useRef<HTMLInputElement>(null)
  const { account } = useSession()
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was asked for one account is nothing to the next
  useEffect(() => forgetAsked, [account.sid])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches('input, textarea, select')
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      input.current?.focus()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  const search = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const query = input.current?.value.trim()
    if (!query) return
    ask(query)
    navigate('/search')
  }
  return (
    <search className={s.search}>
      <form onSubmit={search}>
        <Icon name="search" />
        <input
          ref={input}
          type="search"
          aria-label="Search"
          placeholder="A number, a SID or a name ( / )"
          autoComplete="off"
          spellCheck={false}
        />
      </form>
    </search>
  )
}

function Account() {
  const { user, account } = useSession()
  const theme = useChosenTheme()
  const isDark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches)
  return (
    <div className={s.account}>
      <Button
        look="quiet"
        icon={isDark ? 'sun' : 'moon'}
        aria-label={isDark ? 'Light colours' : 'Dark colours'}
        onClick={() => applyTheme(isDark ? 'light' : 'dark')}
      />
      <Link href="/profile" className={s.who} title={`${account.friendly_name}, ${account.sid}`}>
        <strong>{user.name}</strong>
        <span>{account.friendly_name || account.sid}</span>
      </Link>
      <Button look="quiet" onClick={() => signOut()}>
        Sign out
      </Button>
    </div>
  )
}
