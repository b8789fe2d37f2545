/** Runs a peer's script in Python. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ended } from '../process.ts';

/** @param python interpreter that has what the script needs @throws {Error} with the end of what it said */
export function runPython(python: string, script: string, args: readonly (string | number)[]): Promise<void> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return ended(spawn(python, [path, ...args.map(String)], { stdio: ['ignore', 'ignore', 'pipe'] }));
}
