import { drawPeople } from './people.ts'
import type { Proof } from './proof.ts'
import { createRandom } from './random.ts'
import { HELD_AT_ONCE, raceQueued, raceReturned } from './s4-held.ts'
import { LATE, type Race, type RaceTrack, runRace } from './s4-races.ts'
import { type Break, programWith } from './support/broken-copy.ts'
import { type Claim, checkClock, readClaims, watchClaims } from './support/claims.ts'
import { loggedErrors, makeService, settled, startDeployment } from './support/deployment.ts'
import { inLanes, inScope, type Scope } from './support/scope.ts'
import { startWatchingCarrier } from './support/watching-carrier.ts'

/**
 * A session is closed while a message in it is on its way: before it is taken, while it is at the carrier, while it waits
 * for another try. What the carrier was asked to send is held against when the session's close was answered: none of it
 * may have been claimed after that. Two server processes, and a carrier that refuses the first tries.
 */
const AT_ONCE = 24
const HELD_SHARE = 0.04
const CONTROL = 60

export const s4Closes: Proof = {
  id: 'S4',
  name: 's4-closes',
  promise: 'once a close is answered nothing more is sent in the session, queued retries included',
  goal: '0 legs claimed after the close',
  sizes: { short: 300, full: 10_000, unit: 'closes that race with messages' },
  async run({ size, seed, progress }) {
    const measured = await inScope((scope) => race(scope, { races: size, seed, progress }))
    const controls: (Outcome & { name: string; lost: number })[] = []
    for (const { name, breaks, lost } of CONTROLS) {
      progress(`control: ${name}`)
      const planted = Math.min(size, CONTROL)
      const outcome = await inScope((scope) => race(scope, { races: planted, seed, progress, breaks }))
      const least = Math.min(...lost.map((kind) => outcome.kinds.get(kind)?.late ?? 0))
      controls.push({ ...outcome, name, lost: least })
    }
    return {
      figure: `${measured.late} legs claimed after the close in ${measured.races} races`,
      holds: measured.late === 0,
      control: {
        figure: `${controls.map(({ late, name }) => `${late} ${name}`).join(', ')}, in ${controls[0]?.races} races each`,
        fails: controls.every(({ lost }) => lost > 0),
      },
      details: [
        ...measured.details,
        ...controls.flatMap(({ name, details }) => details.map((detail) => `control, ${name}: ${detail}`)),
      ],
    }
  },
}

const NO_CHECK: Break = {
  file: 'db/statements/claim-interactions.ts',
  passage: `
      exists (select from sessions s where s.service_sid = i.service_sid and s.sid = i.session_sid
              and \${IS_LIVE})
      and (select count(p.date_released) from participants p where p.service_sid = i.service_sid
           and p.sid in (i.inbound_participant_sid, i.outbound_participant_sid)) = 0
`,
  becomes: ' true ',
}

const NO_CANCEL: Break = {
  file: 'core/session-state.ts',
  passage: '  await cancelQueuedMessages(trx, session)\n',
  becomes: '',
}

const NO_LAST_LOOK: Break = {
  file: 'core/send.ts',
  passage: '    const waited = claimed.num_media > 0 || claimed.started_before !== null || claimed.attempts > 1\n',
  becomes: '    const waited = false\n',
}

/**
 * The claim looks whether the session is live, the close takes what is queued, and before a further try there is a last
 * look: each covers what the others cannot. `lost` names the races that are lost without.
 */
export const CONTROLS: { name: string; breaks: Break[]; lost: Kind[] }[] = [
  { name: 'without the last look', breaks: [NO_LAST_LOOK], lost: ['as it comes back from the carrier'] },
  { name: 'without any look', breaks: [NO_CHECK, NO_LAST_LOOK], lost: ['while it is at the carrier'] },
  {
    name: 'without the canceling and the last look',
    breaks: [NO_CANCEL, NO_LAST_LOOK],
    lost: ['between the look and the claim'],
  },
  {
    name: 'without all three',
    breaks: [NO_CHECK, NO_CANCEL, NO_LAST_LOOK],
    lost: ['while it is at the carrier', 'between the look and the claim', 'as it comes back from the carrier'],
  },
]

type Kind = Race['kind']
type Tally = { races: number; sent: number; late: number }
type Outcome = { races: number; late: number; kinds: Map<Kind, Tally>; details: string[] }
type Options = { races: number; seed: number; progress: (what: string) => void; breaks?: Break[] }

async function race(scope: Scope, { races: count, seed, progress, breaks }: Options): Promise<Outcome> {
  const random = createRandom(seed)
  const carrier = await startWatchingCarrier(scope)
  const server = programWith(scope, breaks)
  const deployment = await startDeployment(scope, {
    credentials: carrier.credentials,
    processes: [server, server],
    env: { MASKLINE_DB_POOL: '40' },
    prepare: watchClaims,
  })
  await checkClock(deployment.pool)
  const batches = Math.max(1, Math.round((count * HELD_SHARE) / HELD_AT_ONCE / 2))
  const held = 2 * batches * HELD_AT_ONCE
  const free = Math.max(0, count - held)
  const people = drawPeople(random, 2 * (free + held))
  const service = await makeService(deployment.servers[0].api, 2)
  const newcomer = () => people.pop() ?? ''
  const track: RaceTrack = { deployment, carrier, service, random, newcomer, plans: new Map(), races: new Map() }
  carrier.answer = async (arrival) => (await track.plans.get(arrival.to)?.(arrival)) ?? 'taken'
  let done = 0
  const told = () => ++done % 100 === 0 && progress(`${done} of ${count} races`)
  await inLanes(Array.from({ length: free }).keys(), AT_ONCE, async (nth) => {
    await runRace(track, nth)
    told()
  })
  for (let batch = 0; batch < batches; batch++) {
    await raceQueued(track)
    await raceReturned(track)
    told()
  }
  await settled(deployment)
  const claims = await readClaims(deployment.pool)
  const judged = judge(track, claims)
  return { ...judged, details: [...judged.details, ...loggedErrors(deployment)] }
}

/** Every request to the carrier against the close of its session. */
function judge({ carrier, races }: RaceTrack, claims: Map<string, Claim[]>): Outcome {
  const kinds = new Map<Kind, Tally>()
  const kindOf = (name: Kind) => {
    const kind = kinds.get(name) ?? { races: 0, sent: 0, late: 0 }
    kinds.set(name, kind)
    return kind
  }
  for (const { kind, dialled } of races.values()) {
    kindOf(kind).races++
    kindOf(kind).late += dialled
  }
  const examples: string[] = []
  for (const { sid, nth, body } of carrier.arrivals) {
    const claim = claims.get(sid)?.[nth - 1]
    const race = claim && races.get(claim.session_sid)
    if (!race) throw new Error(`the carrier was asked to send ${sid}, which nobody claimed in any race`)
    kindOf(race.kind).sent++
    if (body !== LATE && !claim.was_closed && claim.claimed_at <= race.closed_at) continue
    kindOf(race.kind).late++
    const after = `${(claim.claimed_at - race.closed_at).toFixed(1)} ms after the answer to the close`
    if (examples.length < 3) examples.push(`${race.kind}: try ${nth} of ${sid} was claimed ${after}`)
  }
  const late = [...kinds.values()].reduce((sum, kind) => sum + kind.late, 0)
  const described = [...kinds].map(
    ([name, kind]) => `${kind.races} closes ${name}: ${kind.sent} tries at the carrier, ${kind.late} too late`,
  )
  return {
    races: races.size,
    late,
    kinds,
    details: [...described, ...examples.map((example) => `for example ${example}`)],
  }
}
