import type { ReactNode } from 'react'
import type { ApiError } from '../api/http.ts'
import { Button } from './button.tsx'
import s from './kit.module.css'
import { ErrorNote, Loading } from './states.tsx'

export type Column<Row> = {
  title: string
  cell: (row: Row) => ReactNode
  /** Left out where the page is as narrow as a phone. */
  wide?: boolean
  align?: 'end'
}

type List<Row> = {
  rows: Row[] | undefined
  error: ApiError | undefined
  isLoading: boolean
  more: (() => unknown) | undefined
  reload: () => unknown
}

/** A list as `useList` reads it, with what is to be said while it is empty, and a button for more. */
export function ListTable<Row extends { sid: string }>({
  label,
  list,
  columns,
  empty,
}: {
  label: string
  list: List<Row>
  columns: Column<Row>[]
  empty: ReactNode
}) {
  if (!list.rows) return list.error ? <ErrorNote error={list.error} retry={list.reload} /> : <Loading />
  if (list.rows.length === 0) return empty
  return (
    <>
      <Table label={label} rows={list.rows} columns={columns} />
      <ErrorNote error={list.error} retry={list.reload} />
      {list.more && (
        <Button className={s.more} busy={list.isLoading} onClick={() => list.more?.()}>
          Show more
        </Button>
      )}
    </>
  )
}

export const Table = <Row extends { sid: string }>({
  label,
  rows,
  columns,
}: {
  label: string
  rows: Row[]
  columns: Column<Row>[]
}) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
  <section className={s.scroll} aria-label={label} tabIndex={0}>
    <table className={s.table}>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.title} scope="col" className={classOf(column)}>
              {column.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.sid}>
            {columns.map((column) => (
              <td key={column.title} className={classOf(column)}>
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  </section>
)

const classOf = <Row,>({ wide, align }: Column<Row>) => [wide && s.wide, align && s.end].filter(Boolean).join(' ')
