import { eventually } from '../../test/support/server.ts'
import { type AnswerKind, drawAnswer } from './application.ts'
import { type Case, converse, LAST_MINUTE, type ServiceName, type Talker, type World } from './world.ts'

/**
 * Calls between handsets of the simulated network. Its clock is one for all of an account, so they go in batches: all are
 * placed, all are answered or not, then time passes for everybody.
 */
type Doing = 'partner hangs up' | 'caller hangs up' | 'rejected' | 'not answered' | 'canceled'
type Simulated = { sid: string; caller: Talker; doing: Doing; answer: AnswerKind | undefined }

// biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
type PhoneCall = Record<string, any> & { legs: { number: string; status: string }[] }

const DOINGS: Record<Doing, number> = {
  'partner hangs up': 3,
  'caller hangs up': 3,
  rejected: 2,
  'not answered': 2,
  canceled: 1,
}
/** A last minute takes a second of real time, in which the whole batch waits. */
const SERVICES: Record<ServiceName, number> = { plain: 3, told: 4, rich: 5, late: 0.3, blocked: 1, outside: 6 }

export async function callOnSimulator(world: World, cases: Case[]): Promise<void> {
  const placed = await Promise.all(cases.map((each) => place({ ...world, ...each })))
  const all = (act: (world: World, call: Simulated) => Promise<unknown>) =>
    Promise.all(placed.map((call) => act(world, call)))
  await advance(world, 0)
  await all(pressKeys)
  await advance(world, 0)
  await all(respond)
  await advance(world, 2)
  await hearLastMinutes(world)
  await all(finish)
  // Phones that nobody answers stop ringing, and then somebody leaves a message.
  await advance(world, 40)
  await all((_, call) => act(world, call, call.caller.identifier, 'hangup'))
  await advance(world, 1)
  await all(look)
}

const api = ({ atSimulator }: World) => atSimulator.client
const advance = (world: World, advance_s: number) => api(world).json('/simulator/clock', { advance_s })
const find = async (world: World, { sid }: Simulated) => (await api(world).get(`/simulator/calls/${sid}`)) as PhoneCall

async function place(world: World): Promise<Simulated> {
  const { random, application, newcomer, acquaint, atSimulator } = world
  const { outside } = atSimulator.pools
  const service = random.draw(SERVICES)
  const doing = service === 'late' ? 'caller hangs up' : random.draw(DOINGS)
  const isBob = random.chance(0.5)
  const answer = service === 'outside' ? drawAnswer(random) : undefined
  let caller = { identifier: newcomer(), proxy: outside.numbers[0] }
  if (answer) {
    const plan = { answer, partner: newcomer(), proxy: outside.numbers[2] }
    application.plans.set(caller.identifier, plan)
    acquaint(caller.identifier, plan.partner)
  } else {
    const { alice, bob } = await converse(world, atSimulator, service)
    caller = isBob ? bob : alice
  }
  const { sid } = await api(world).json('/simulator/calls', { from: caller.identifier, to: caller.proxy })
  world.count('calls on the simulated network')
  world.count(`simulated: ${answer ?? `${service}, ${doing}`}`)
  return { sid, caller, doing, answer }
}

/** A handset that is not in the call any more, or not yet, is refused; that is an error like others. */
const act = (world: World, { sid }: Simulated, number: string, action: string, more: object = {}) =>
  api(world).ask('POST', `/simulator/calls/${sid}/${action}`, { number, ...more })

async function pressKeys(world: World, call: Simulated) {
  if (call.answer !== 'gather' && call.answer !== 'ingress') return
  await act(world, call, call.caller.identifier, 'digits', { digits: '7' })
}

async function respond(world: World, call: Simulated) {
  const [, callee] = (await find(world, call)).legs
  if (callee?.status !== 'ringing') return
  if (call.doing === 'rejected') await act(world, call, callee.number, 'reject')
  else if (call.doing === 'canceled') await act(world, call, call.caller.identifier, 'hangup')
  else if (call.doing !== 'not answered') await act(world, call, callee.number, 'answer')
}

async function hearLastMinutes({ server, atSimulator }: World) {
  const due = `select from interactions where service_sid = '${atSimulator.pools.late.sid}' and stage = 'announce'`
  const isOver = async () => (await server.store.pool.query(due)).rowCount === 0
  await eventually(isOver, 'the last minutes are announced', 60_000)
}

async function finish(world: World, call: Simulated) {
  const found = await find(world, call)
  if (JSON.stringify(found).includes(LAST_MINUTE)) world.count('last minutes announced')
  const [, callee] = found.legs
  if (callee?.status !== 'in-progress') return
  await act(world, call, callee.number, 'digits', { digits: '5' })
  const leaver = call.doing === 'partner hangs up' ? callee.number : call.caller.identifier
  await act(world, call, leaver, 'hangup')
}

async function look(world: World, call: Simulated) {
  const { taps, count } = world
  const [caller, ...callees] = (await find(world, call)).legs
  taps.look('callers’ phones', JSON.stringify({ ...caller, number: undefined }))
  for (const callee of callees) {
    count('phones that rang')
    taps.look('partners’ phones', JSON.stringify({ ...callee, number: undefined }))
    const handset = `/simulator/handsets/${encodeURIComponent(callee.number)}`
    const views = [await api(world).get(`${handset}/calls`), await api(world).get(`${handset}/messages`)]
    taps.look('partners’ phones', JSON.stringify(views), [callee.number])
  }
}
