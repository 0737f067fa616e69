import { writeFileSync } from 'node:fs'
import { CATALOGUE, type CatalogueEntry } from '../src/core/errors.ts'

// Writes docs/errors.md from the catalogue: `npx tsx scripts/errors-doc.ts`. A test fails when it was forgotten.

const WHERE = { api: 'API', event: 'event', both: 'API, event' }

const row = ([code, entry]: [string, CatalogueEntry]) => {
  const status = entry.where === 'event' ? '–' : entry.status
  return `| ${code} | ${status} | ${entry.level} | ${WHERE[entry.where]} | ${entry.message.replaceAll('|', '\\|')} |`
}

const document = `# Error codes

Every code that the API answers with or that an event carries, and those of the vendor's that are kept for what is not
there yet. The numbers are Twilio's, so that clients keep working, but for 80914, which is ours;
the texts are ours, apart from those that clients are known to have seen. Words in braces are filled in, and the last
four digits of a number are written as \`XXXX\`.

An answer looks like this:

\`\`\`json
{
  "code": 80104,
  "message": "PhoneNumber has already been added to Service",
  "more_info": "https://www.twilio.com/docs/errors/80104",
  "status": 400
}
\`\`\`

\`20001\` also says \`Invalid PageSize.\`, with the name of the parameter. A code whose place is "event" has no HTTP
status: it never answers a request, it is recorded in the event log.

This file is written by \`npx tsx scripts/errors-doc.ts\` from \`src/core/errors.ts\`.

| Code | HTTP status | Level | Where | Message |
|---|---|---|---|---|
${Object.entries(CATALOGUE).map(row).join('\n')}
`

writeFileSync(new URL('../docs/errors.md', import.meta.url), document)
