import { CarrierError, type RecordingPlace } from '../../core/carrier.ts'
import { accountPath, type Connection, remove } from './api.ts'
import { type Download, download, parseAddress, takesCredentials } from './download.ts'

/**
 * https://www.twilio.com/docs/voice/api/recording. With the account's own storage set up the address is elsewhere, and
 * asked for as it is. At the API's host the credentials go along, so nothing but this recording is asked for there.
 */
export async function fetchRecording(
  connection: Connection,
  { carrier_recording_id, url }: RecordingPlace,
  maxBytes: number,
): Promise<Download> {
  const address = parseAddress(connection, 'recording', url)
  if (takesCredentials(connection, address)) {
    const path = accountPath(connection, 'Recordings', carrier_recording_id).replace(/\.json$/, '')
    if (!address.pathname.replace(/\.(wav|mp3|json)$/, '').endsWith(path)) {
      throw new CarrierError('refused', "the recording's address is not that of a recording of this account")
    }
    address.pathname = address.pathname.replace(/(\.(wav|mp3|json))?$/, '.wav')
  }
  return await download(connection, { what: 'recording', address: address.href, maxBytes })
}

export const deleteRecording = (connection: Connection, { carrier_recording_id }: RecordingPlace): Promise<void> =>
  remove(connection, accountPath(connection, 'Recordings', carrier_recording_id))
