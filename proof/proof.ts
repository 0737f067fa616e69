/**
 * What a proof is: a figure that has to reach its goal, and a control, the same measurement of a server that was broken on
 * purpose, which has to miss it. A proof whose control does not fail has shown nothing.
 */
export type Proof = {
  /** As in S7. Several proofs may share one, and then run together. */
  id: string
  name: string
  promise: string
  goal: string
  /** How many of `unit` the short form and the full one look at. */
  sizes: { short: number; full: number; unit: string }
  run: (options: ProofOptions) => Promise<Verdict>
}

export type ProofOptions = {
  size: number
  /** The same seed draws the same cases. */
  seed: number
  /** Told now and then how far it has got. */
  progress: (what: string) => void
}

export type Verdict = {
  figure: string
  holds: boolean
  control: { figure: string; fails: boolean }
  /** Lines for who wants to know more: what was looked at, and the first of what was found. */
  details: string[]
}
