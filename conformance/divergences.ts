/**
 * Where an answer of ours is not what the vendor's document says, and why it is right all the same. `at` is the operation
 * and the place in the body, `what` the complaint. A full run fails when an entry is no longer needed.
 */
export type Divergence = { at: RegExp; what: RegExp; because: string }

export const DIVERGENCES: Divergence[] = [
  {
    at: /^DeleteParticipant\/status$/,
    what: /^204 instead of 200$/,
    because: 'Every older library, and the command line still, takes only 204 for a deletion that worked.',
  },
  {
    at: /\/ShortCodes(\/\*)?$/,
    what: /^not in the document$/,
    because: 'The vendor took short codes out of the document in July 2025; clients from before still call them.',
  },
  {
    at: /^(Create|Fetch|List)(MessageInteraction|Interaction)(\/interactions\/\*)?\/(in|out)bound_resource_status$/,
    what: /^(type|enum):/,
    because: "A leg that does not exist has no status: the document's own examples show null, its enum forgot it.",
  },
  {
    at: /^(Create|Fetch|List|Update)PhoneNumber(\/phone_numbers\/\*)?\/capabilities\/\w+_\w+$/,
    what: /^additionalProperties:/,
    because: 'The service answers with 13 directional flags (sms_inbound, …), not with the four the document names.',
  },
]
