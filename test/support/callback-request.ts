import type dns from 'node:dns'
import type { TestContext } from 'node:test'
import { createGuard } from '../../src/callbacks/guard.ts'
import type { CallbackRequest } from '../../src/callbacks/post.ts'

export const TOKENS = ['0123456789abcdef0123456789abcdef', 'fedcba9876543210fedcba9876543210']

/** A callback that asks for the body of its answer, unless the test says otherwise. */
export const callback = (url: string, more: Partial<CallbackRequest> = {}): CallbackRequest => ({
  url,
  params: [['interactionSid', 'KI1']],
  auth_token: TOKENS[0]!,
  idempotency_token: 'token-1',
  timeout_ms: 5000,
  reads: 'body',
  ...more,
})

/** A guard that is gone with the test. It lets everything through unless the test says what. */
export function openGuard(t: TestContext, allow: 'all' | string[] = 'all', lookup?: typeof dns.lookup) {
  const guard = createGuard({ allow }, lookup)
  t.after(() => guard.agent.destroy())
  return guard
}
