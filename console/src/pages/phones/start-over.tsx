import { useAction } from '../../api/use.ts'
import { Confirm } from '../../kit/dialog.tsx'
import type { Bench } from './use-bench.ts'

/** Back to the first step, with empty phones. */
export function StartOver({ bench, onClose }: { bench: Bench; onClose: () => void }) {
  const { busy, error, run } = useAction(bench.startOver)
  const confirm = async () => {
    if (await run()) onClose()
  }
  return (
    <Confirm title="Start over" verb="Start over" busy={busy} error={error} onConfirm={confirm} onClose={onClose}>
      <p>
        The sessions between these phones are closed, and their texts and calls are gone from them. What happened stays
        in the record of interactions.
      </p>
    </Confirm>
  )
}
