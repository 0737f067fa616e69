/**
 * A signal that aborts after so long unless it is cleared before. `AbortSignal.timeout` cannot be cleared: thousands of them
 * would be kept for each second of requests that were answered long ago.
 */
export function startDeadline(ms: number): { signal: AbortSignal; clear: () => void } {
  const controller = new AbortController()
  const abort = () => controller.abort(new DOMException('This took too long.', 'TimeoutError'))
  const timer = setTimeout(abort, ms).unref()
  return { signal: controller.signal, clear: () => clearTimeout(timer) }
}
