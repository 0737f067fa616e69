import { request } from 'undici'
import type { Scope } from '../../proof/support/scope.ts'
import { type Benchmark, findBest, type House } from '../benchmark.ts'
import { type Load, startLoad } from '../load.ts'
import { preparePrism } from '../prism.ts'
import type { ReadParameters } from '../programs/requests/reads.ts'
import { startWorld, type World } from '../world.ts'

/** So that not one row is read all the time. */
const SESSIONS = 2_000
const PAGE = 50

export const fetchSession: Benchmark = {
  name: 'fetch',
  title: 'Sessions fetched by REST',
  unit: 'answers/s',
  peer: "Prism with the vendor's document",
  goal: { ratio: 'at least', of: 5 },
  prepare: (house, scope) => {
    const sessionOf = (service_sid: string, sid: string) => `/v1/Services/${service_sid}/Sessions/${sid}`
    return prepareReading(house, scope, ({ service_sid }, sids) => sids.map((sid) => sessionOf(service_sid, sid)))
  },
}

export const listSessions: Benchmark = {
  name: 'list',
  title: `Pages of ${PAGE} sessions listed by REST`,
  unit: 'answers/s',
  peer: `Prism with such a page as the example`,
  goal: { ratio: 'at least', of: 5 },
  prepare: (house, scope) =>
    prepareReading(house, scope, ({ service_sid }) => [`/v1/Services/${service_sid}/Sessions?PageSize=${PAGE}`]),
}

async function prepareReading(house: House, scope: Scope, pathsOf: (world: World, sids: string[]) => string[]) {
  const { seconds, concurrency, progress } = house
  const world = await startWorld(house, scope, { carrier: 'silent' })
  const rows = await world.query<{ sid: string }>(`select sid from sessions limit ${SESSIONS}`)
  const paths = pathsOf(
    world,
    rows.map(({ sid }) => sid),
  )
  progress('fetching and starting Prism')
  const prism = await preparePrism(scope, PAGE)
  const parameters: ReadParameters = { paths, ...world.account }
  const load = async (port: number) => {
    await checkAnswer(`http://127.0.0.1:${port}${paths[0]}`, world)
    return startLoad(house.programs, scope, { port, requests: 'reads', parameters })
  }
  const [ours, peer, fastest] = [await load(world.server.port), await load(prism.usual), await load(prism.fast)]
  const read = async (from: Load, connections: number) => (await from.closed({ connections, seconds })).per_second
  progress('how many connections are best')
  const best = async (from: Load) => {
    await read(from, concurrency[0])
    return await findBest(concurrency, (connections) => read(from, connections))
  }
  const [most, prisms] = [await best(ours), await best(peer)]
  await read(fastest, prisms)
  const at_best = await read(fastest, prisms)
  return {
    ours: () => read(ours, most),
    peer: () => read(peer, prisms),
    remarks: () => [`${most} connections, ${prisms} with Prism`, `without its log Prism gave ${at_best.toFixed(0)}/s`],
  }
}

/** A session, or a whole page of them: that the status is right says neither. */
async function checkAnswer(url: string, { account }: World) {
  const authorization = `Basic ${Buffer.from(`${account.account_sid}:${account.auth_token}`).toString('base64')}`
  const { statusCode, body } = await request(url, { headers: { authorization } })
  const answer = (await body.json()) as { sid?: string; sessions?: { sid: string }[] }
  const found = (answer.sessions ?? [answer]).filter(({ sid }) => sid?.startsWith('KC')).length
  const wanted = url.includes('PageSize') ? PAGE : 1
  if (statusCode !== 200 || found !== wanted) throw new Error(`${url} answers ${statusCode} with ${found} sessions.`)
}
