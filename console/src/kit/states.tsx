import type { ReactNode } from 'react'
import type { ApiError } from '../api/http.ts'
import { Button } from './button.tsx'
import s from './kit.module.css'

/** Where nothing is yet: what would stand here, and what to do about it. */
export const Empty = ({ title, children }: { title: string; children?: ReactNode }) => (
  <div className={s.empty}>
    <strong>{title}</strong>
    {children && <div>{children}</div>}
  </div>
)

/** Why something failed, in the server's words, with a way to try again. */
export const ErrorNote = ({ error, retry }: { error: ApiError | undefined; retry?: () => unknown }) =>
  error ? (
    <div role="alert" className={s.error}>
      <span>
        {error.message}
        {error.code > 0 && <span className={s.dim}> ({error.code})</span>}
        {error.retry_after_s !== undefined && <> Try again in {error.retry_after_s} s.</>}
      </span>
      {retry && <Button onClick={() => retry()}>Try again</Button>}
    </div>
  ) : null

/** Stands where something is being read. */
export const Loading = ({ what = 'Reading' }: { what?: string }) => (
  <div className={s.loading} role="status">
    {what} …
  </div>
)

/** What was read, or what is to be said instead of it. */
export function Shown<Body>({
  of: { data, error, reload },
  children,
}: {
  of: { data: Body | undefined; error: ApiError | undefined; reload: () => unknown }
  children: (data: Body) => ReactNode
}) {
  if (data !== undefined) return children(data)
  return error ? <ErrorNote error={error} retry={reload} /> : <Loading />
}
