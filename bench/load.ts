import type { Scope } from '../proof/support/scope.ts'
import { startChild } from './child.ts'
import type { LoadOptions } from './programs/load.ts'
import type { ClosedLoad, LoadResult, RateLoad } from './programs/loops.ts'
import type { Programs } from './programs.ts'

/** Load in a process of its own on one port. What is answered otherwise than it should be breaks the measurement. */
export type Load = {
  closed: (load: ClosedLoad) => Promise<LoadResult>
  rate: (load: RateLoad) => Promise<LoadResult>
}

export async function startLoad(programs: Programs, scope: Scope, options: LoadOptions): Promise<Load> {
  const child = await startChild(scope, programs.of('load'), options)
  const ask = async (command: string, load: object) => faultless(await child.ask<LoadResult>(command, load))
  return { closed: (load) => ask('closed', load), rate: (load) => ask('rate', load) }
}

export function faultless(result: LoadResult): LoadResult {
  const failures = Object.entries(result.failures)
  if (failures.length > 0) {
    throw new Error(
      `Of ${result.answered} requests these failed: ${failures.map((each) => each.join(' × ')).join('; ')}`,
    )
  }
  if (result.answered === 0) throw new Error('Nothing was answered.')
  return result
}

/** What became of requests that were not answered as they should be, without being wrong; empty when there were none. */
export function presentMissed(results: Pick<LoadResult, 'refused' | 'unsent'>[]): string[] {
  const sum = (of: 'refused' | 'unsent') => results.reduce((all, each) => all + each[of], 0)
  return [
    ...(sum('refused') > 0 ? [`${sum('refused')} were refused with 503`] : []),
    ...(sum('unsent') > 0 ? [`${sum('unsent')} could not be sent in time`] : []),
  ]
}
