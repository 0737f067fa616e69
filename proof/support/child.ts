/**
 * Loaded before the program in a process of its own. It ends when whoever started it is gone, however that happened; and
 * its clock goes wrong by as many milliseconds as it is told. Time that passes is not affected, as with a wrong clock.
 * This is JavaScript as it stands, without a type, because not every process that loads it can translate.
 */
process.on('disconnect', () => process.exit())

const skew_ms = Number(process.env.PROOF_CLOCK_SKEW_MS ?? 0)
if (skew_ms !== 0) {
  const Real = Date
  const now = () => Real.now() + skew_ms
  // A proxy, not a class: dates that were made elsewhere are still instances of it.
  globalThis.Date = new Proxy(Real, {
    construct: (target, args, caller) => Reflect.construct(target, args.length === 0 ? [now()] : args, caller),
    apply: () => new Real(now()).toString(),
    get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
  })
  Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + skew_ms })
}
