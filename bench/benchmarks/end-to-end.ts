import type { Benchmark } from '../benchmark.ts'
import { startChild } from '../child.ts'
import type { HandsetOptions, HandsetResult } from '../programs/handsets.ts'
import { startWorld } from '../world.ts'

export const endToEnd: Benchmark = {
  name: 'end-to-end',
  title: 'How long a text takes from one simulated handset to the other, median',
  unit: 'ms',
  peer: 'the acknowledgement of such a text',
  goal: { ratio: 'at most', of: 5 },
  async prepare(house, scope) {
    const world = await startWorld(house, scope, { carrier: 'simulator' })
    const options: HandsetOptions = { port: world.server.port, ...world.account, shape: world.shape }
    const handsets = await startChild(scope, house.programs.of('handsets'), options)
    const text = () => handsets.ask<HandsetResult>('text', { seconds: house.seconds })
    let slowest = 0
    return {
      ours: async () => {
        const { arrived_ms } = await text()
        slowest = Math.max(slowest, arrived_ms.p99)
        return arrived_ms.p50
      },
      peer: async () => (await text()).acknowledged_ms.p50,
      remarks: () => [`99 of 100 arrived within ${slowest.toFixed(1)} ms in the slowest round`],
    }
  },
}
