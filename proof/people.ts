import type { Random } from './random.ts'

/**
 * Numbers that regulators keep free for films and books, in the countries that have such: every one written in another way
 * at home, in brackets, with a trunk zero, in groups of two, three or four. An x is any digit.
 * Ranges in which one number read backwards is part of another are left out, as those of British mobiles and of Frankfurt.
 */
const STEMS = [
  ...['206', '212', '305', '312', '404', '415', '503', '512', '602', '702', '718'].map((area) => `+1${area}55501xx`),
  ...['416', '514', '604', '876'].map((area) => `+1${area}55501xx`),
  ...['+442079460xxx', '+441314960xxx', '+441614960xxx', '+442890180xxx'],
  ...['+33199001xxx', '+33261911xxx', '+33353011xxx', '+33639981xxx', '+33639982xxx'],
  ...['+493023125xxx', '+494066969xxx', '+498999998xxx', '+4917139200xx', '+4917604069xxx'],
  ...['+612555010xx', '+61370101xxx', '+61755501xxx', '+61870101xxx'],
  ...['+35320910xxxx', '+35320911xxxx'],
  ...['+468465004xx', '+463139006xx', '+46406280xxx'],
] as const

/** The simulator's handsets that do something by themselves; here a person does it. */
const ACTS_BY_ITSELF = /012[0-6]$/

/** So many people, each with another number, from every country about as many. */
export function drawPeople(random: Random, count: number): string[] {
  const people = new Set<string>()
  while (people.size < count) {
    const stem = STEMS[random.below(STEMS.length)] ?? STEMS[0]
    const number = stem.replaceAll('x', () => String(random.below(10)))
    if (!ACTS_BY_ITSELF.test(number)) people.add(number)
  }
  return [...people]
}
