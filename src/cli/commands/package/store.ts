/** Options of the commands that use the store of installed packages. */
import type { Command } from 'commander';

export interface StoreValues {
  readonly store?: string;
  readonly json?: boolean;
}

export function withStore(command: Command): Command {
  return command
    .option(
      '--store <folder>',
      "folder of installed packages (default: ESPALIER_PACKAGES, or in the user's data folder)",
    )
    .option('--json', 'print one JSON object');
}
