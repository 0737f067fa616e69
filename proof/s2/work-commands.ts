import assert from 'node:assert/strict'
import fc from 'fast-check'
import { watchAgain } from '../../src/core/calls.ts'
import { MESSAGE_STATUSES, type OutboundMessage } from '../../src/core/carrier.ts'
import { finishOutOfSession } from '../../src/core/out-of-session.ts'
import { SEND_LEASE_S, sendClaimed } from '../../src/core/send.ts'
import { type ClaimedInteraction, claimInteractions } from '../../src/db/statements/claim-interactions.ts'
import { command } from './command.ts'
import { type Leg, type Model, mayLeave, numberOf } from './model.ts'
import { update } from './session-steps.ts'
import { anyThought, goOn } from './traffic-commands.ts'
import type { SendOutcome, World } from './world.ts'

const drawnWork = fc.record({
  outcomes: fc.array(
    fc.constantFrom<SendOutcome>('sent', 'not-sent', 'unknown, has it', 'unknown, lost it', 'refused'),
    {
      maxLength: 5,
      size: 'max',
    },
  ),
  thoughts: fc.array(anyThought, { maxLength: 3 }),
})

/** A message that was put off so often goes through: the pauses grow longer than time passes at once. */
const MOST_TRIES = 3

/**
 * The workers' step: everything that is due is claimed and dealt with, as jobs/interactions.ts does it. The carriers judge
 * each message by the model at the moment that it reaches them.
 */
const works = command('work', drawnWork, async (model, world, drawn) => {
  const outcomes = [...drawn.outcomes]
  const thoughts = [...drawn.thoughts]
  world.judge = (message, carrier) => {
    const leg = assertAllowed(model, world, message, carrier)
    const outcome = leg.tries < MOST_TRIES ? (outcomes.shift() ?? 'sent') : 'sent'
    settleAs(leg, outcome)
    return outcome
  }
  world.beforeLookUp = async (reference) => {
    const leg = model.legs.find(({ sid }) => sid === reference)
    assert.equal(leg?.state, 'doubt', 'a carrier is asked about a message that is not in doubt')
    if (thoughts.shift()?.meanwhile === 'close') await update(model, world, leg.session, { status: 'closed' })
  }
  for (;;) {
    const claimed = await claimInteractions(world.store.pool, { limit: 5, lease_s: SEND_LEASE_S })
    if (claimed.length === 0) break
    for (const row of claimed) decide(model, row)
    for (const row of claimed) await workOn(model, world, row, () => thoughts.shift())
  }
  const left = model.legs.filter((leg) => leg.kind === 'message' && !leg.later && WAITING.includes(leg.state))
  assert.deepEqual(left, [], 'a message that was due was not worked on')
})

const WAITING = ['asking', 'waiting', 'leaving', 'doubt']

/** The claim is where it is decided that a message leaves: a close that comes later comes too late. */
function decide(model: Model, row: ClaimedInteraction): void {
  if (row.type === 'voice' || row.stage === 'out-of-session') return
  const leg = model.legs.find(({ sid }) => sid === row.sid)
  assert.ok(leg, 'an interaction is due of which nothing is known')
  assert.equal(row.is_live, leg.state !== 'over' && mayLeave(leg), 'whether a message may still leave')
  if (row.is_live && leg.state === 'waiting') leg.state = 'leaving'
}

/** Nothing leaves but to a partner who may have it, from the number that is theirs, once. */
function assertAllowed(model: Model, world: World, message: OutboundMessage, carrier: number): Leg {
  const { reference, from, to, body } = message
  const leg = model.legs.find(({ sid }) => sid === reference)
  assert.ok(leg, 'a message of which nothing is known')
  assert.ok(!world.taken.has(reference), 'the carrier has this message already')
  assert.ok(leg.state === 'leaving' || leg.state === 'doubt', `a message that is ${leg.state} is sent`)
  // Asking the carrier took its time.
  assert.ok(
    leg.state === 'leaving' || mayLeave(leg),
    'a message is sent whose session is over or whose people have left',
  )
  const { person, number } = leg.to
  assert.deepEqual({ from, to, body }, { from: number, to: person, body: leg.body }, 'who is sent what')
  assert.equal(carrier, numberOf(number)?.carrier, 'the carrier does not have the number that is shown')
  return leg
}

function settleAs(leg: Leg, outcome: SendOutcome): void {
  leg.tries++
  if (outcome === 'sent') {
    leg.state = 'left'
    leg.statuses.push('queued')
  } else if (outcome === 'refused') leg.state = 'over'
  else {
    leg.later = true
    if (outcome !== 'not-sent') leg.state = 'doubt'
    else if (leg.state === 'leaving') leg.state = 'waiting'
  }
}

async function workOn(
  model: Model,
  world: World,
  row: ClaimedInteraction,
  think: () => { answer: string; meanwhile: string } | undefined,
): Promise<void> {
  const { store } = world
  if (row.type === 'voice') return await watchAgain(store, row, 'send', 120)
  if (row.stage === 'out-of-session') return await finishOutside(model, world, row)
  const leg = model.legs.find(({ sid }) => sid === row.sid)
  assert.ok(leg)
  if (row.stage === 'intercept' && row.is_live) {
    const thought = think() ?? { answer: 'pass', meanwhile: 'nothing' }
    if (!(await goOn(model, world, leg, thought, SEND_LEASE_S))) return
    leg.state = 'leaving'
  }
  const inDoubt = leg.state === 'doubt'
  const { result } = await sendClaimed(store, world.carriers, { ...row, stage: 'send' })
  if (inDoubt && result === 'sent' && leg.state === 'doubt') {
    assert.ok(world.taken.has(leg.sid), 'it is taken for sent and no carrier has it')
    settleAs(leg, 'sent')
  }
  if (result === 'canceled') {
    assert.ok(!mayLeave(leg), 'a message is cancelled that may leave')
    leg.state = 'over'
  }
}

async function finishOutside(model: Model, world: World, row: ClaimedInteraction) {
  assert.ok(model.outside.delete(row.sid), 'somebody is asked about a message that found somebody')
  await finishOutOfSession(world.store, row)
}

/** The furthest of what the carrier told of a message. */
export const lastStatus = (statuses: string[]) =>
  MESSAGE_STATUSES.findLast((status) => statuses.includes(status)) ?? null

export const workCommands = [{ weight: 10, arbitrary: works }]
