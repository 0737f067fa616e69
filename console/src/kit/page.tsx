import { type ReactNode, useEffect } from 'react'
import s from './kit.module.css'

/** The frame of a page: its heading, what can be done on it, and its content. */
export function Page({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Maskline`
  }, [title])
  return (
    <>
      <header className={s.pageHead}>
        <h1 tabIndex={-1}>{title}</h1>
        {actions && <div className={s.actions}>{actions}</div>}
      </header>
      {children}
    </>
  )
}

export const Card = ({ title, actions, children }: { title?: string; actions?: ReactNode; children: ReactNode }) => (
  <section className={s.card}>
    {(title || actions) && (
      <header>
        {title && <h2>{title}</h2>}
        {actions && <div className={s.actions}>{actions}</div>}
      </header>
    )}
    {children}
  </section>
)

/** Names and values, side by side. */
export const Facts = ({ facts }: { facts: [name: string, value: ReactNode][] }) => (
  <dl className={s.facts}>
    {facts.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)
