import type { Announcement } from '../core/carrier.ts'
import { element, speak, writeTwiml } from './write.ts'

/**
 * What each half of a call is given when the two are parted for an announcement: both hear it, and meet again in a room
 * that closes when either leaves. The room makes no sound of its own while the first one waits there.
 */
export const rejoinTwiml = ({ text, language, room, seconds_left, recording_url }: Announcement): string =>
  writeTwiml(
    element(
      'Response',
      {},
      speak(text, language),
      element(
        'Dial',
        { timeLimit: String(Math.max(1, Math.floor(seconds_left))) },
        element(
          'Conference',
          {
            beep: 'false',
            startConferenceOnEnter: 'true',
            endConferenceOnExit: 'true',
            waitUrl: '',
            // A Dial's recording ends with the Dial: the room goes on with it.
            ...(recording_url ? { record: 'record-from-start', recordingStatusCallback: recording_url } : {}),
          },
          room,
        ),
      ),
    ),
  )
