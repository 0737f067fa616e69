import { type ClosedLoad, type RateLoad, type Requests, runClosed, runRate } from './loops.ts'
import { servedBy } from './parent.ts'

/** The process that makes load on one port. A module in `requests/` has `createRequests` and is given the parameters. */
export type LoadOptions = { port: number; requests: string; parameters: object }

servedBy(async ({ port, requests: name, parameters }: LoadOptions) => {
  const { createRequests } = (await import(new URL(`./requests/${name}.js`, import.meta.url).href)) as {
    createRequests: (parameters: object) => Requests
  }
  const requests = createRequests(parameters)
  return {
    ready: {},
    commands: {
      closed: (load: ClosedLoad) => runClosed(port, requests, load),
      rate: (load: RateLoad) => runRate(port, requests, load),
    },
  }
})
