import { SWRConfig } from 'swr'
import { Redirect, Route, Router, Switch } from 'wouter'
import { SessionProvider, useSignedIn } from './api/session.tsx'
import { ErrorNote, Loading } from './kit/states.tsx'
import { homeOf, PAGES } from './layout/pages.ts'
import { Shell } from './layout/shell.tsx'
import { NotFound } from './pages/not-found.tsx'
import { SignIn } from './pages/sign-in.tsx'

/** Whoever is signed in sees the pages, anybody else the door. */
export function App() {
  return (
    <SWRConfig value={{ revalidateOnFocus: false, shouldRetryOnError: false, dedupingInterval: 1_000 }}>
      <Router base="/console">
        <Gate />
      </Router>
    </SWRConfig>
  )
}

function Gate() {
  const { session, error } = useSignedIn()
  if (session === undefined) return error ? <ErrorNote error={error} retry={() => location.reload()} /> : <Loading />
  if (session === null) return <SignIn />
  // What was read for one account is nothing to the next, nor is what one user read to another.
  return (
    <SWRConfig key={`${session.user.sid} ${session.account.sid}`} value={{ provider: () => new Map() }}>
      <SessionProvider session={session}>
        <Shell>
          <Switch>
            <Route path="/">
              <Redirect to={homeOf(session)} replace />
            </Route>
            {PAGES.map(({ path, page }) => (
              <Route key={path} path={path} component={page} />
            ))}
            <Route component={NotFound} />
          </Switch>
        </Shell>
      </SessionProvider>
    </SWRConfig>
  )
}
