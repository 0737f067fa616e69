import { fileURLToPath } from 'node:url'
import { type Operation, SHORT_CODES } from './operations.ts'

/** A command and its arguments. It runs in the client's own folder, so that relative paths are relative to that. */
export type Command = string[]

export type Client = {
  name: string
  /** How its requests are told from the others' in the recording. */
  userAgent: RegExp
  /** Operations the library has no call for. */
  without: readonly Operation[]
  /** Each must end with 0, or the toolchain counts as missing. */
  probes: Command[]
  /** Fetches packages and compiles; runs again only when one of `inputs` has changed. */
  install: { inputs: string[]; commands: Command[] } | undefined
  run: Command
}

export const FOLDER = fileURLToPath(new URL('.', import.meta.url))
export const CACHE = `${FOLDER}.cache`

/** Where each toolchain keeps what it downloads, so that nothing lands outside this folder. */
export const TOOL_ENVIRONMENT = {
  GOMODCACHE: `${CACHE}/go/modules`,
  GOCACHE: `${CACHE}/go/build`,
  GOFLAGS: '-mod=readonly -modcacherw -buildvcs=false',
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  PYTHONDONTWRITEBYTECODE: '1',
}

const maven = ['mvn', '-B', '-q', `-Dmaven.repo.local=${CACHE}/m2`]

export const CLIENTS: Client[] = [
  {
    name: 'node',
    userAgent: /^twilio-node\//,
    without: SHORT_CODES,
    probes: [],
    install: undefined,
    run: [process.execPath, '--import', 'tsx', 'client.ts'],
  },
  {
    name: 'python',
    userAgent: /^twilio-python\//,
    without: SHORT_CODES,
    probes: [['python3', '-c', 'import venv, ensurepip']],
    install: {
      inputs: ['requirements.txt'],
      commands: [
        ['python3', '-m', 'venv', '--clear', `${CACHE}/python`],
        [`${CACHE}/python/bin/pip`, 'install', '--quiet', '--requirement', 'requirements.txt'],
      ],
    },
    run: [`${CACHE}/python/bin/python`, 'client.py'],
  },
  {
    name: 'go',
    userAgent: /^twilio-go\//,
    without: SHORT_CODES,
    probes: [['go', 'version']],
    install: {
      inputs: ['go.mod', 'go.sum', 'main.go', 'report.go', 'sessions.go', 'transport.go'],
      commands: [['go', 'build', '-o', `${CACHE}/go/client`, '.']],
    },
    run: [`${CACHE}/go/client`],
  },
  {
    name: 'java',
    userAgent: /^twilio-java\//,
    without: SHORT_CODES,
    probes: [
      ['mvn', '--version'],
      ['javac', '-version'],
    ],
    install: {
      inputs: ['pom.xml', ...['Client', 'MovedHost', 'Report', 'Sessions'].map((name) => `src/main/java/${name}.java`)],
      commands: [[...maven, 'compile', 'dependency:copy-dependencies']],
    },
    run: ['java', '-cp', `${CACHE}/java/classes:${CACHE}/java/lib/*`, 'Client'],
  },
  {
    name: 'twilio-cli',
    userAgent: /^twilio-cli\//,
    without: SHORT_CODES,
    probes: [
      ['./namespace.sh', 'true'],
      ['openssl', 'version'],
    ],
    install: undefined,
    run: ['./namespace.sh', process.execPath, '--import', 'tsx', 'client.ts'],
  },
  {
    name: 'curl',
    userAgent: /^curl\//,
    without: [],
    probes: [
      ['curl', '--version'],
      ['jq', '--version'],
    ],
    install: undefined,
    run: ['./client.sh'],
  },
]
