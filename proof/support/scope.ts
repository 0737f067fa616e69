/** Where it is noted what has to be stopped; what starts things for a test takes it as the test's own context. */
export type Scope = { after(clean: unknown): void }

/** Whatever `work` started is stopped in the opposite order, also when something fails, and all of it. */
export async function inScope<Result>(work: (scope: Scope) => Promise<Result>): Promise<Result> {
  const cleanups: (() => unknown)[] = []
  const [worked] = await Promise.allSettled([work({ after: (clean) => void cleanups.push(clean as () => unknown) })])
  const stopped = []
  for (const clean of cleanups.reverse()) stopped.push(...(await Promise.allSettled([(async () => clean())()])))
  for (const outcome of [worked, ...stopped]) if (outcome.status === 'rejected') throw outcome.reason
  return (worked as PromiseFulfilledResult<Result>).value
}

/** Runs so many of `work` at once, until all of `items` are done or one failed. */
export async function inLanes<Item>(items: Iterable<Item>, lanes: number, work: (item: Item) => Promise<void>) {
  const queue = items[Symbol.iterator]()
  let failed = false
  const lane = async () => {
    for (let next = queue.next(); !next.done && !failed; next = queue.next()) {
      await work(next.value).catch((error) => {
        failed = true
        throw error
      })
    }
  }
  await allOf(Array.from({ length: lanes }, lane))
}

/** One that fails is told of when the others are over too. */
export async function allOf(works: Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((outcome) => outcome.status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}

/** Something to wait for, and the means to end the wait. */
export function signal<Value = void>() {
  let send: (value: Value) => void = () => undefined
  const received = new Promise<Value>((resolve) => {
    send = resolve
  })
  return { send, received }
}
