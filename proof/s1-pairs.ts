import { drawPeople } from './people.ts'
import type { Proof } from './proof.ts'
import { createRandom, type Random } from './random.ts'
import { type Deployment, loggedErrors, makeService, type Service, startDeployment } from './support/deployment.ts'
import type { Answer } from './support/http.ts'
import { allOf, inLanes, inScope, type Scope } from './support/scope.ts'

/**
 * Three people join six hundred sessions at the same moment, through two server processes, on a pool of four hundred
 * numbers. Every other round the same three come again while their sessions of the round before are being closed.
 */
const JOINS = 600
const PEOPLE = 3
const NUMBERS = 400
const CLOSES_AT_ONCE = 16
const CONTROL_SHARE = 0.1
const CONTROL_GOAL = 100
/** Of the pool, for those who name a number: of many who want the same one, all but one are refused. */
const WANTED = 12
const NAMED_SHARE = 0.25

/** `ambiguous`: who shares a pair with somebody else. */
type Round = { ambiguous: number; joined: string[]; refused: number; failed: number }
type Outcome = { rounds: Round[]; details: string[] }

export const s1Pairs: Proof = {
  id: 'S1',
  name: 's1-pairs',
  promise: 'a person and a proxy number lead to one partner, however many join at once',
  goal: '0 ambiguous joins, 0 answers of 500 or more',
  sizes: { short: 2, full: 20, unit: `rounds of ${JOINS} joins at once` },
  async run({ size, seed, progress }) {
    const measured = await inScope((scope) => runRounds(scope, { rounds: size, seed, progress, indexed: true }))
    const control = await inScope((scope) =>
      runRounds(scope, { rounds: Math.ceil(size * CONTROL_SHARE), seed, progress, indexed: false }),
    )
    const [ambiguous, failed] = [total(measured, 'ambiguous'), total(measured, 'failed')]
    const least = Math.min(...control.rounds.map((round) => round.ambiguous))
    return {
      figure: `${ambiguous} ambiguous joins and ${failed} answers of 500 or more in ${size} rounds`,
      holds: ambiguous === 0 && failed === 0,
      control: { figure: `at least ${least} a round without the index`, fails: least >= CONTROL_GOAL },
      details: [...measured.details, ...control.details.map((detail) => `control: ${detail}`)],
    }
  },
}

export const total = ({ rounds }: Outcome, what: 'ambiguous' | 'failed') =>
  rounds.reduce((sum, round) => sum + round[what], 0)

type Options = {
  rounds: number
  seed: number
  progress: (what: string) => void
  indexed: boolean
  /** Begins something that goes on beside the joins of a round; what it returns ends it. */
  beside?: (deployment: Deployment) => () => Promise<void>
}

export async function runRounds(
  scope: Scope,
  { rounds: count, seed, progress, indexed, beside }: Options,
): Promise<Outcome & { deployment: Deployment }> {
  const random = createRandom(seed)
  const deployment = await startDeployment(scope, {
    processes: [{}, {}],
    env: { MASKLINE_DB_POOL: '100' },
    prepare: async (pool) => !indexed && (await pool.query('drop index participants_pair')),
  })
  const service = await makeService(deployment.servers[0].api, NUMBERS)
  const rounds: Round[] = []
  let before: { people: string[]; sessions: string[] } | undefined
  for (let at = 0; at < count; at++) {
    const comesAgain = at % 2 === 1
    const people: string[] = comesAgain && before ? before.people : drawAmericans(random)
    const closed: string[] = comesAgain && before ? before.sessions : []
    const sessions = await makeSessions(deployment, service, random)
    const end = beside?.(deployment)
    const round = await join(deployment, service, random, { people, sessions, closed })
    await end?.()
    rounds.push(round)
    before = { people, sessions: round.joined }
    progress(`${indexed ? '' : 'control: '}${at + 1} of ${count} rounds`)
  }
  return {
    deployment,
    rounds,
    details: [
      ...rounds.map(
        ({ ambiguous, joined, refused, failed }, at) =>
          `round ${at + 1}: ${joined.length} joined, ${refused} refused the number they named, ${failed} failed, ${ambiguous} ambiguous`,
      ),
      ...loggedErrors(deployment),
    ],
  }
}

/** The pool is of their country. */
const drawAmericans = (random: Random) =>
  drawPeople(random, 40 * PEOPLE)
    .filter((person) => person.startsWith('+1'))
    .slice(0, PEOPLE)

/** Empty ones, for those who join what is there already: every second. */
async function makeSessions({ servers }: Deployment, service: Service, random: Random): Promise<string[]> {
  const sessions: string[] = []
  await inLanes(Array.from({ length: JOINS / 2 }).keys(), CLOSES_AT_ONCE, async () => {
    const { sid } = await random.pick(servers).api.post(`${service.path}/Sessions`)
    sessions.push(`${service.path}/Sessions/${sid}`)
  })
  return sessions
}

async function join(
  { servers, pool }: Deployment,
  service: Service,
  random: Random,
  { people, sessions, closed }: { people: string[]; sessions: string[]; closed: string[] },
): Promise<Round> {
  const round: Round = { ambiguous: 0, joined: [], refused: 0, failed: 0 }
  const note = ({ status, text, body }: Answer, session: string) => {
    if (status === 201) round.joined.push(session)
    else if (status >= 500) round.failed++
    else if (body.code === 80604) round.refused++
    else throw new Error(`a join was refused: ${status} ${text}`)
  }
  const joins = Array.from({ length: JOINS }, async (_, at) => {
    const identifier = people[at % people.length] ?? ''
    const named = random.chance(NAMED_SHARE) ? service.numbers[random.below(WANTED)] : undefined
    const params: [string, string][] = [['Identifier', identifier]]
    if (named) params.push(['ProxyIdentifier', named])
    const { api } = random.pick(servers)
    const session = sessions[at]
    // The other half make a session of their own.
    const answer = session
      ? await api.ask('POST', `${session}/Participants`, params)
      : await api.ask('POST', `${service.path}/Sessions`, [
          ['Participants', JSON.stringify(Object.fromEntries(params))],
        ])
    note(answer, session ?? `${service.path}/Sessions/${answer.body.sid}`)
  })
  const closes = inLanes(closed, CLOSES_AT_ONCE, async (session) => {
    await random.pick(servers).api.post(session, [['Status', 'closed']])
  })
  await allOf([...joins, closes])
  const { rows } = await pool.query(
    `select coalesce(sum(joins), 0)::int as joins from (
       select count(*) as joins from participants where date_released is null
       group by service_sid, proxy_identifier, identifier_hash having count(*) > 1) as pair`,
  )
  round.ambiguous = rows[0].joins
  return round
}
