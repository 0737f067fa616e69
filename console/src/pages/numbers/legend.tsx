import s from './numbers.module.css'

/** What colours and marks of the map mean. */
export function Legend({ levels }: { levels: number[] }) {
  const ranges = levels.map((upTo, at) => {
    const from = at === 0 ? 1 : (levels[at - 1] ?? 0) + 1
    return from === upTo ? `${upTo}` : `${from}–${upTo}`
  })
  return (
    <ul className={s.legend} aria-label="What the map's colours and marks mean">
      <li>Live sessions:</li>
      {['0', ...ranges].map((range, level) => (
        <li key={range}>
          <i data-level={level} /> {range}
        </li>
      ))}
      <li>
        <Mark path="M2.500 13.500 13.500 2.500" /> reserved; with colour, draining
      </li>
      <li>
        <i data-cooling /> cooling for somebody
      </li>
      <li>
        <Mark path="M4.500 4.500 11.500 11.500M11.500 4.500 4.500 11.500" failing /> failing
      </li>
    </ul>
  )
}

const Mark = ({ path, failing }: { path: string; failing?: boolean }) => (
  <svg viewBox="0 0 16 16" data-failing={failing || undefined} aria-hidden="true">
    <path d={path} />
  </svg>
)
