import s from './choice.module.css'

type Choices<Value> = readonly { value: Value; label: string; hint: string }[]

/** One of a few, each with what it means. */
export const Choice = <Value extends string>({
  label,
  name,
  value,
  choices,
  onChange,
}: {
  label: string
  name: string
  value: Value
  choices: Choices<Value>
  onChange: (value: Value) => void
}) => (
  <fieldset className={s.choice}>
    <legend>{label}</legend>
    {choices.map((choice) => (
      <label key={choice.value}>
        <input
          type="radio"
          name={name}
          value={choice.value}
          checked={choice.value === value}
          onChange={() => onChange(choice.value)}
        />
        <strong>{choice.label}</strong>
        {choice.hint && <small>{choice.hint}</small>}
      </label>
    ))}
  </fieldset>
)
