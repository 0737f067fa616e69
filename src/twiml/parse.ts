import { SaxesParser } from 'saxes'

/**
 * A customer's TwiML as a tree. It is text from outside, so only what TwiML needs is accepted: no DOCTYPE, hence no
 * entities beyond the five of XML itself, and limits on size, depth and number of elements that bound the work.
 */
export type TwimlNode = {
  name: string
  attributes: Record<string, string>
  /** What is inside in its order, which matters where text and elements are mixed: `Hello <break/> world`. */
  content: (string | TwimlNode)[]
  /** The text directly inside this element, without that of its children. */
  text: string
  children: TwimlNode[]
}

/** 12100 the document, 12300 its content type, 11200 could not be fetched: the codes under which it is reported. */
export type TwimlErrorCode = 12100 | 12300 | 11200

/** The customer's answer cannot be carried out; the message says why and quotes nothing but names of elements. */
export class TwimlError extends Error {
  readonly code: TwimlErrorCode

  constructor(reason: string, code: TwimlErrorCode = 12100) {
    super(reason)
    this.code = code
  }
}

export const MAX_BYTES = 64 * 1024
const MAX_DEPTH = 20
const MAX_NODES = 1000
const MAX_REASON = 120
/** Of a telephone number. */
const FEWEST_DIGITS = 6

export function parseTwiml(text: string): TwimlNode {
  if (Buffer.byteLength(text) > MAX_BYTES) throw new TwimlError('The TwiML is larger than 64 KiB.')

  const parser = new SaxesParser()
  const open: TwimlNode[] = []
  let root: TwimlNode | undefined
  let nodes = 0

  parser.on('error', (error) => {
    const [, place = '', reason = ''] = /^(\d+:\d+: )?(.*)$/s.exec(error.message) ?? []
    throw new TwimlError(`The TwiML is not well-formed: ${place}${withoutNumber(reason)}`.slice(0, MAX_REASON))
  })
  parser.on('doctype', () => {
    throw new TwimlError('The TwiML has a DOCTYPE.')
  })
  parser.on('opentag', (tag) => {
    if (++nodes > MAX_NODES) throw new TwimlError(`The TwiML has more than ${MAX_NODES} elements.`)
    if (open.length === MAX_DEPTH) throw new TwimlError(`The TwiML is nested deeper than ${MAX_DEPTH} elements.`)
    const node: TwimlNode = { name: tag.name, attributes: { ...tag.attributes }, content: [], text: '', children: [] }
    const parent = open.at(-1)
    if (parent) append(parent, node)
    else root = node
    open.push(node)
  })
  parser.on('closetag', () => {
    open.pop()
  })
  const addText = (piece: string) => {
    const node = open.at(-1)
    if (node) append(node, piece)
  }
  parser.on('text', addText)
  parser.on('cdata', addText)

  parser.write(text).close()
  if (root?.name !== 'Response') throw new TwimlError('The outermost element of the TwiML is not Response.')
  return root
}

/** A name as a complaint may quote it. */
export const quoteName = (name: string) => withoutNumber(name.slice(0, 40))

/** Who makes markup of data may also make a name of somebody's number; and complaints are kept. */
const withoutNumber = (text: string) =>
  (text.match(/\p{Nd}/gu)?.length ?? 0) < FEWEST_DIGITS ? text : text.replace(/\p{Nd}/gu, 'X')

/** Adds to the end of an element. Text is one piece however it was written, in sections or around a comment. */
export function append(node: TwimlNode, piece: string | TwimlNode): void {
  if (typeof piece !== 'string') {
    node.children.push(piece)
    node.content.push(piece)
    return
  }
  if (piece === '') return
  node.text += piece
  const last = node.content.at(-1)
  if (typeof last === 'string') node.content[node.content.length - 1] = last + piece
  else node.content.push(piece)
}
