import { type ParseArgsConfig, parseArgs } from 'node:util'

/** As `parseArgs`, but what cannot be read ends the program with 2 and one line, which points to the `--help` of `command`. */
export function readCommandLine<const Config extends ParseArgsConfig>(command: string, config: Config) {
  try {
    return parseArgs(config)
  } catch (error) {
    // What follows the first sentence is advice that `--help` gives better.
    const [problem] = (error instanceof Error ? error.message : String(error)).split(/\. |\n/)
    return refuse(command, `${problem}.`)
  }
}

/** Ends the program with 2, saying what is wrong with how it was called. */
export function refuse(command: string, problem: string): never {
  console.error(`${problem} See ${command} --help.`)
  process.exit(2)
}
