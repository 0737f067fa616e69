import { useMay } from '../../api/session.tsx'
import { useAction } from '../../api/use.ts'
import type { GuideStep } from './guide.tsx'
import { createLine, type End, type Line, lineInHand, progressOf } from './lines.ts'
import type { Person } from './people.ts'
import { activeCall, actOnCall, NO_PHONE, type Phones, placeCall } from './simulator.ts'

type Given = {
  service_sid: string
  people: Person[]
  lines: Line[]
  phones: Phones
  look: () => void
  reload: () => Promise<unknown>
  /** Puts a text into somebody's hands. */
  compose: (number: string, to: string, body: string) => void
  show: (number: string) => void
}

/** The steps of the first minute, as far as they have happened. */
export function useGuideSteps(given: Given) {
  const { service_sid, people, lines, phones, compose, reload } = given
  const hand = lineInHand(lines, phones)
  const { reached, called } = progressOf(hand, phones)
  const [a, b] = hand?.ends ?? []
  const nameOf = (end: End | undefined, at: number) =>
    people.find(({ number }) => number === end?.number)?.name ?? people[at]?.name ?? ''
  const [alice, bob] = [nameOf(a, 0), nameOf(b, 1)]
  const mayCreate = useMay('sessions:write')
  const create = useAction(async () => {
    await createLine(service_sid, people.slice(0, 2))
    await reload()
  })
  // Whom a text reached answers it, be it the second of the two or the first.
  const replier = reached.length === 1 ? reached[0] : b
  const replies = nameOf(replier, 1)
  const steps: GuideStep[] = [
    {
      title: 'Create a session',
      text: mayCreate
        ? `${alice} and ${bob} are each given a number for the other.`
        : 'It takes the scope sessions:write. Ask an administrator.',
      done: hand !== undefined,
      verb: mayCreate ? 'Create a session' : undefined,
      act: create.run,
      busy: create.busy,
    },
    {
      title: 'Text',
      text: `${alice} texts that number, and it comes to ${bob} from another.`,
      done: reached.length > 0,
      verb: `Write as ${alice}`,
      act: () => compose(a?.number ?? '', a?.proxy_identifier ?? '', 'I am here. Which door is it?'),
    },
    {
      title: 'Reply',
      text: `${replies} answers the number on the screen.`,
      done: reached.length > 1,
      verb: `Reply as ${replies}`,
      act: () => compose(replier?.number ?? '', replier?.proxy_identifier ?? '', 'The green one. Coming down!'),
    },
    { ...useCallStep(given, a, b, alice, bob), done: called },
  ]
  return { hand, steps, error: create.error }
}

function useCallStep(
  { phones, look, show }: Given,
  a: End | undefined,
  b: End | undefined,
  alice: string,
  bob: string,
) {
  const ringing = activeCall(phones[b?.number ?? ''] ?? NO_PHONE)
  const isAsked = ringing?.state === 'ringing' && ringing.direction === 'inbound'
  const { busy, run } = useAction(async () => {
    if (isAsked) await actOnCall(ringing.sid, 'answer', b?.number ?? '')
    else await placeCall(a?.number ?? '', a?.proxy_identifier ?? '')
    show(b?.number ?? '')
    look()
  })
  return {
    title: 'Call',
    text: `${alice} calls the same number. ${bob}’s phone rings; answer it.`,
    verb: isAsked ? `Answer as ${bob}` : `Call as ${alice}`,
    act: run,
    busy,
  }
}
