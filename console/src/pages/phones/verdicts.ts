import type { Verdict } from '../../api/bodies.ts'

export const VERDICTS: Record<Verdict['state'], { tone: 'good' | 'bad' | 'warn' | 'info' | 'dim'; word: string }> = {
  delivered: { tone: 'good', word: 'Delivered' },
  'under-way': { tone: 'info', word: 'Under way' },
  failed: { tone: 'bad', word: 'Failed' },
  stopped: { tone: 'warn', word: 'Stopped' },
  nobody: { tone: 'warn', word: 'To nobody' },
  unknown: { tone: 'dim', word: 'Unknown' },
}
