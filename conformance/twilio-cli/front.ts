import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'

/**
 * Stands where the vendor's host would: TLS on port 443 with a certificate of a test CA made for this run, and the port
 * of the public URL for the pages that follow. Both pass on to the recording proxy's socket, since a network namespace
 * has no way out but the file system. Returns the CA for NODE_EXTRA_CA_CERTS.
 */
export async function startFront(folder: string, recorderSocket: string, publicUrl: URL): Promise<string> {
  const { ca, cert, key } = makeCertificate(folder)
  const passOn = (client: Socket) => {
    const recorder = connect(recorderSocket)
    client.on('error', () => recorder.destroy())
    recorder.on('error', () => client.destroy())
    client.pipe(recorder).pipe(client)
  }
  const listen = async (server: Server, port: number) => {
    server.listen(port, '127.0.0.1').unref()
    await once(server, 'listening')
  }
  await listen(createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, passOn), 443)
  await listen(createServer(passOn), Number(publicUrl.port))
  return ca
}

function makeCertificate(folder: string) {
  const file = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-days',
    '2',
    '-subj',
    '/CN=test CA',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.crt'),
  )
  openssl('req', ...newKey, '-subj', '/CN=proxy.twilio.com', '-keyout', file('host.key'), '-out', file('host.csr'))
  writeFileSync(file('host.ext'), 'subjectAltName=DNS:proxy.twilio.com\n')
  const authority = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial']
  const request = ['-in', file('host.csr'), '-extfile', file('host.ext'), '-days', '2']
  openssl('x509', '-req', ...request, ...authority, '-out', file('host.crt'))
  return { ca: file('ca.crt'), cert: file('host.crt'), key: file('host.key') }
}
