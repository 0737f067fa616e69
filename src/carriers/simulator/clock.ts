import { setImmediate as nextTurn } from 'node:timers/promises'

/** Where time comes from: the machine, or a test. `schedule` gives what takes it back. */
export type TimeSource = {
  now: () => Date
  schedule: (run: () => void, delay_ms: number) => () => void
}

/**
 * The time of one account's part of the network. It goes as time goes, or stands still, and `advance` moves it on: what is
 * due until then happens at once, one after the other, each at its own moment and with all that follows from it.
 */
export type Clock = TimeSource & {
  wait(delay_ms: number): Promise<void>
  /** Does something outside that takes real time; an advance waits for it before time moves on. */
  outside<T>(act: () => Promise<T>): Promise<T>
  advance(ms: number): Promise<Date>
  /** From here on it moves by `advance` alone, until it is started again. */
  stop(): void
  start(): void
}

/** A machine's timers count no further; what is due later is looked at again then. */
const MAX_TIMER_MS = 2 ** 31 - 1

export const MACHINE_TIME: TimeSource = {
  now: () => new Date(),
  schedule(run, delay_ms) {
    // What is still to come here must not keep a server from ending.
    const timer = setTimeout(run, delay_ms).unref()
    return () => clearTimeout(timer)
  },
}

type Task = { at: number; run: () => void; disarm: () => void }

export function createClock(source: TimeSource): Clock {
  const { outside, settle } = watchOutside()
  const line = createTimeline(source)
  let advancing: Promise<unknown> = Promise.resolve()

  const clock: Clock = {
    now: () => new Date(line.time()),
    schedule: line.schedule,
    wait: (delay_ms) => new Promise((resolve) => void line.schedule(resolve, delay_ms)),
    outside,
    async advance(ms) {
      const turn = advancing.then(async () => {
        await settle()
        await line.moveBy(ms, settle)
        return clock.now()
      })
      advancing = turn
      return await turn
    },
    stop: line.stop,
    start: line.start,
  }
  return clock
}

/** What is still to come, and where time stands. */
function createTimeline(source: TimeSource) {
  const tasks = new Set<Task>()
  let ahead_ms = 0
  /** Where a move has got to; undefined while there is none. */
  let moment: number | undefined
  /** Where it stands still; undefined while time goes by itself. */
  let stopped: number | undefined

  const time = () => moment ?? stopped ?? source.now().getTime() + ahead_ms

  function run(task: Task) {
    tasks.delete(task)
    task.disarm()
    task.run()
  }

  function arm(task: Task) {
    const left_ms = Math.max(0, task.at - time())
    const look = () => {
      // A move runs what is due in its order, and sets the timers anew when it is over.
      if (moment !== undefined || !tasks.has(task)) return
      if (stopped !== undefined && task.at > stopped) return
      if (left_ms > MAX_TIMER_MS) arm(task)
      else run(task)
    }
    task.disarm = source.schedule(look, Math.min(left_ms, MAX_TIMER_MS))
  }

  function setTo(now: number) {
    ahead_ms = now - source.now().getTime()
    if (stopped !== undefined) stopped = now
    moment = undefined
    for (const task of tasks) {
      task.disarm()
      arm(task)
    }
  }

  return {
    time,
    schedule(act: () => void, delay_ms: number) {
      const task: Task = { at: time() + delay_ms, run: act, disarm: () => undefined }
      tasks.add(task)
      arm(task)
      return () => {
        tasks.delete(task)
        task.disarm()
      }
    },
    async moveBy(ms: number, settle: () => Promise<void>) {
      moment = time()
      const until = moment + ms
      for (let next = earliest(tasks); next && next.at <= until; next = earliest(tasks)) {
        moment = Math.max(time(), next.at)
        run(next)
        await settle()
      }
      setTo(until)
    },
    stop() {
      stopped ??= time()
    },
    start() {
      const now = time()
      stopped = undefined
      if (moment === undefined) setTo(now)
    },
  }
}

/** Knows what is still under way outside: `settle` resolves when nothing is, and nothing follows from what was. */
function watchOutside() {
  let underway = 0
  let whenIdle: (() => void)[] = []
  return {
    async outside<T>(act: () => Promise<T>): Promise<T> {
      underway++
      try {
        return await act()
      } finally {
        underway--
        if (underway === 0) {
          for (const tell of whenIdle) tell()
          whenIdle = []
        }
      }
    },
    async settle() {
      let quiet = 0
      // What an answer sets off may itself take a turn or two of the event loop to ask for something else.
      while (quiet < 3) {
        if (underway > 0) await new Promise<void>((resolve) => whenIdle.push(resolve))
        await nextTurn()
        quiet = underway === 0 ? quiet + 1 : 0
      }
    },
  }
}

/** Of those at the same moment, the one that was set first. */
function earliest(tasks: Set<Task>): Task | undefined {
  let first: Task | undefined
  for (const task of tasks) if (!first || task.at < first.at) first = task
  return first
}
