/** Runs a peer's script in Python. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** @param python interpreter that has what the script needs @throws {Error} with the end of what it said */
export function runPython(python: string, script: string, args: readonly (string | number)[]): Promise<void> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(python, [path, ...args.map(String)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${script} ended with ${code}:\n${said}`));
    });
  });
}
