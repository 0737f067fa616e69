import { isPlayed } from '../core/call-settings.ts'
import { append, type TwimlNode } from './parse.ts'

/** An element of a document that we write. What is undefined is left out, of its attributes and of what is inside. */
export function element(
  name: string,
  attributes: Record<string, string | undefined> = {},
  ...content: (TwimlNode | string | undefined)[]
): TwimlNode {
  // `fromEntries` defines what assignment would not: an attribute may be named __proto__.
  const given = Object.entries(attributes).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const node: TwimlNode = { name, attributes: Object.fromEntries(given), content: [], text: '', children: [] }
  for (const piece of content) if (piece !== undefined) append(node, piece)
  return node
}

/**
 * The document as text. Any text and any value of an attribute may be given, what somebody else wrote too; names are
 * written as they are, since they are ours or came from the parser, which has checked them.
 */
export const writeTwiml = (root: TwimlNode): string => `<?xml version="1.0" encoding="UTF-8"?>${writeNode(root)}`

function writeNode({ name, attributes, content }: TwimlNode): string {
  const tag = [name, ...Object.entries(attributes).map(([key, value]) => `${key}="${escapeXml(value, IN_VALUE)}"`)]
  if (content.length === 0) return `<${tag.join(' ')}/>`
  const inside = content.map((piece) => (typeof piece === 'string' ? escapeXml(piece, IN_TEXT) : writeNode(piece)))
  return `<${tag.join(' ')}>${inside.join('')}</${name}>`
}

const NAMED: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

// A reader makes a line feed of a carriage return, and in a value a space of every white space.
const IN_TEXT = /[&<>\r]/g
const IN_VALUE = /[&<>"\t\n\r]/g

/** What XML 1.0 cannot hold, not even escaped: control characters, halves of surrogate pairs, U+FFFE and U+FFFF. */
const NOT_XML = /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu

const escapeXml = (text: string, what: RegExp) =>
  text.replace(NOT_XML, '').replace(what, (character) => NAMED[character] ?? `&#${character.charCodeAt(0)};`)

/** A text is said, the URL of a sound is played. */
export const speak = (text: string, language: string): TwimlNode =>
  isPlayed(text) ? element('Play', {}, text) : element('Say', { language }, text)
