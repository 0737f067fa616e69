import { SaxesParser } from 'saxes'
import type { Document, TwimlElement } from './twilio-call-legs.ts'

/** What Twilio's debugger shows when a document cannot be had or carried out, under the vendor's code for it. */
export class TwimlProblem extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** The verbs of a TwiML document. */
export function parseDocument(text: string): TwimlElement[] {
  const parser = new SaxesParser()
  const root: TwimlElement = { name: '', attributes: {}, text: '', children: [] }
  const open = [root]
  parser.on('error', (error) => {
    throw new TwimlProblem(12100, error.message)
  })
  parser.on('opentag', ({ name, attributes }) => {
    const element = { name, attributes: { ...attributes } as Record<string, string>, text: '', children: [] }
    open.at(-1)?.children.push(element)
    open.push(element)
  })
  parser.on('closetag', () => void open.pop())
  const addText = (piece: string) => {
    const element = open.at(-1)
    if (element) element.text += piece
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.write(text).close()
  const [response] = root.children
  if (response?.name !== 'Response') throw new TwimlProblem(12100, 'the outermost element is not Response')
  return response.children
}

/** An address in a document, absolute; the document's own when there is none. */
export function resolveTarget(document: Document, href: string | undefined, method: string | undefined) {
  const given = href?.trim()
  const verb: 'GET' | 'POST' = method?.toUpperCase() === 'GET' ? 'GET' : 'POST'
  if (given && URL.canParse(given)) return { url: given, method: verb }
  if (!document.base || !URL.canParse(given ?? '', document.base)) {
    throw new TwimlProblem(11100, `${given || 'no address'} cannot be requested from here`)
  }
  return given
    ? { url: new URL(given, document.base).href, method: verb }
    : { url: document.base, method: method ? verb : document.method }
}
