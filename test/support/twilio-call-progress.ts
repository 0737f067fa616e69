import { emit, hasEnded, type Leg, type LegStatus, notify, part } from './twilio-call-legs.ts'
import { reportStatus } from './twilio-call-webhooks.ts'

/** The turns in the life of a leg. */
export function pickUp(leg: Leg) {
  if (hasEnded(leg) || leg.answered_s !== undefined) return
  leg.status = 'in-progress'
  leg.answered_s = leg.call.seconds
  reportStatus(leg)
  emit(leg.call.world, { kind: 'answered', leg })
  notify(leg.call)
}

export function endLeg(leg: Leg, status: LegStatus) {
  if (hasEnded(leg)) return
  leg.status = status
  leg.ended_s = leg.call.seconds
  leg.redirect = undefined
  part(leg)
  reportStatus(leg)
  emit(leg.call.world, { kind: 'ended', leg })
  notify(leg.call)
}

/** Twilio hangs up. A caller whom nobody answered hears what the last Dial came to, any other was answered. */
export function endCall(leg: Leg) {
  if (leg.answered_s === undefined && leg.dial_status) {
    return endLeg(leg, ['busy', 'failed'].includes(leg.dial_status) ? leg.dial_status : 'no-answer')
  }
  pickUp(leg)
  endLeg(leg, 'completed')
}
