import assert from 'node:assert/strict'
import fc from 'fast-check'
import { ProxyError } from '../../src/core/errors.ts'
import type { Service } from '../../src/db/schema.ts'
import type { Model } from './model.ts'
import type { World } from './world.ts'

export type Command = fc.AsyncCommand<Model, World>

/** A command from what is drawn for it, which is also how it is shown. `needs` says whether it can be run now. */
export const command = <Drawn>(
  name: string,
  drawn: fc.Arbitrary<Drawn>,
  run: (model: Model, world: World, drawn: Drawn) => Promise<void>,
  needs: (model: Model) => boolean = () => true,
): fc.Arbitrary<Command> =>
  drawn.map((args) => ({
    check: needs,
    run: (model, world) => {
      world.ran++
      return run(model, world, args)
    },
    toString: () => `${name} ${JSON.stringify(args)}`,
  }))

/** The refusals of one request: it meets one of them where there are any, and none where there are none. */
export async function meets<Result>(refusals: number[], work: Promise<Result>): Promise<Result | undefined> {
  try {
    const result = await work
    assert.deepEqual(refusals, [], 'was not refused')
    return result
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error
    assert.ok(refusals.includes(error.code), `refused with ${error.code}, and not with one of [${refusals}]`)
    return undefined
  }
}

/** Counted from the latest, which is what a command mostly is about. */
export const anyOf = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(6) })
export const pick = <Item>(items: Item[], at: number): Item => items[items.length - 1 - (at % items.length)] as Item
export const hasSessions = ({ sessions }: Model) => sessions.length > 0
export const serviceOf = (world: World, session: { service: number }) => world.services[session.service] as Service
