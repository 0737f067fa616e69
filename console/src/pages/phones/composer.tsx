import { type FormEvent, useId, useRef, useState } from 'react'
import { Button } from '../../kit/button.tsx'
import { Icon } from '../../kit/icon.tsx'
import s from './handset.module.css'
import { readPicture, samplePicture } from './picture.ts'

export type Draft = { body: string; pictures: string[] }
export const EMPTY_DRAFT: Draft = { body: '', pictures: [] }

type Props = { draft: Draft; onDraft: (draft: Draft) => void; busy: boolean; onSend: () => void }

/** A text being written, with at most one picture. */
export function Composer({ draft, onDraft, busy, onSend }: Props) {
  const input = useRef<HTMLInputElement>(null)
  const isEmpty = draft.body.trim() === '' && draft.pictures.length === 0
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!isEmpty) onSend()
    input.current?.focus()
  }
  const attach = (pictures: string[]) => {
    onDraft({ ...draft, pictures })
    input.current?.focus()
  }
  return (
    <form className={s.composer} onSubmit={submit}>
      {draft.pictures.map((url) => (
        <div key={url} className={s.attached}>
          <img src={url} alt="To be sent" />
          <Button look="quiet" icon="close" aria-label="Take the picture out" onClick={() => attach([])} />
        </div>
      ))}
      <PictureMenu onPicture={(url) => attach([url])} />
      <input
        ref={input}
        type="text"
        data-compose
        aria-label="Text"
        placeholder="Text"
        maxLength={1600}
        autoComplete="off"
        value={draft.body}
        onChange={(event) => onDraft({ ...draft, body: event.target.value })}
      />
      <Button type="submit" look="main" icon="send" aria-label="Send" busy={busy} disabled={isEmpty} />
    </form>
  )
}

function PictureMenu({ onPicture }: { onPicture: (url: string) => void }) {
  const id = useId()
  const menu = useRef<HTMLDetailsElement>(null)
  const [error, setError] = useState<string>()
  const take = async (read: () => string | Promise<string>) => {
    try {
      onPicture(await read())
      setError(undefined)
      if (menu.current) menu.current.open = false
    } catch (failure) {
      setError((failure as Error).message)
    }
  }
  return (
    <details
      ref={menu}
      className={s.pictures}
      onBlur={({ relatedTarget }) => {
        if (relatedTarget && menu.current && !menu.current.contains(relatedTarget)) menu.current.open = false
      }}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !menu.current?.open) return
        menu.current.open = false
        menu.current.querySelector('summary')?.focus()
      }}
    >
      <summary aria-label="Send a picture" title="Send a picture">
        <Icon name="picture" />
      </summary>
      <div>
        <Button look="quiet" onClick={() => take(samplePicture)}>
          A sample picture
        </Button>
        <label htmlFor={id} className={s.file}>
          From this computer
          <input
            id={id}
            type="file"
            accept="image/*"
            onChange={({ target }) => {
              const file = target.files?.[0]
              target.value = ''
              if (file) take(() => readPicture(file))
            }}
          />
        </label>
        {error && <small role="alert">{error}</small>}
      </div>
    </details>
  )
}
