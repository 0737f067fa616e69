import { checkEnd } from './check-end.ts'
import { checkLegs } from './check-legs.ts'
import { checkNumbers } from './check-numbers.ts'
import { checkShown } from './check-shown.ts'
import { type Anomaly, weigh } from './evidence.ts'
import type { History } from './history.ts'

export type { Anomaly } from './evidence.ts'

/**
 * Whether a history can be that of a server that keeps its promises (docs/safety.md, I1 to I8). Every operation took effect
 * at some moment of its span, and one without an answer at any later one or never; what is reported cannot have come about
 * whichever moments those were. What may have been right is not.
 */
export function checkHistory(history: History): Anomaly[] {
  const evidence = weigh(history)
  const anomalies = [...checkNumbers(evidence), ...checkLegs(evidence), ...checkShown(evidence), ...checkEnd(evidence)]
  return anomalies.sort((one, other) => one.at - other.at)
}
