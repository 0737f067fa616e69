import { isJpeg, stripJpeg } from './jpeg.ts'
import { isPng, stripPng } from './png.ts'

/** An attachment as it may be passed on. What it is, its first bytes say, whatever it was called. */
export type Attachment = { content_type: string; bytes: Buffer }

/** `refusal` says why it had better not be passed on; nothing is kept of what could not be cleaned. */
export type Cleaned = { kept: Attachment; refusal?: string } | { kept: undefined; refusal: string }

export function cleanAttachment(attachment: Attachment): Cleaned {
  const { content_type, bytes } = attachment
  if (isJpeg(bytes)) return cleaned('image/jpeg', stripJpeg(bytes))
  if (isPng(bytes)) return cleaned('image/png', stripPng(bytes))
  const isCard = VCARD_TYPE.test(content_type) || VCARD.test(beginningOf(bytes))
  return { kept: attachment, ...(isCard ? { refusal: 'it is a visiting card, which AllowVcards lets pass.' } : {}) }
}

function cleaned(content_type: string, bytes: Buffer | undefined): Cleaned {
  if (bytes) return { kept: { content_type, bytes } }
  return { kept: undefined, refusal: 'the picture is damaged, so that what else is in it cannot be taken out.' }
}

const VCARD_TYPE = /^\s*text\/(?:x-)?(?:vcard|directory)\b/i
const VCARD = /^[^\S\n]*BEGIN:VCARD/im

/** Also of what is written in two bytes a letter. */
const beginningOf = (bytes: Buffer) =>
  bytes
    .toString('latin1', 0, 4096)
    .replaceAll('\0', '')
    .replace(/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, '')
