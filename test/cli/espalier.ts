/** Runs the built command line in a child process. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ModelOptions, makeModel } from '../../scripts/models/index.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  /** Called with all of stdout so far, whenever it grows. */
  readonly onStdout?: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void;
}

export function espalier(args: readonly string[], { input = '', onStdout }: RunOptions = {}): Promise<Finished> {
  if (!existsSync(main)) throw new Error(`${main} is not there: npm run build makes it`);
  const child = spawn(process.execPath, [main, ...args]);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onStdout?.(stdout, (signal) => child.kill(signal));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs the command line in a shell, which pipes and redirects. */
export function shell(line: string): Promise<Finished> {
  const child = spawn('sh', ['-c', `'${process.execPath}' '${main}' ${line}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Parses stdout as one line of JSON. @throws if there is more than that line */
export async function json(args: readonly string[], options?: RunOptions): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await espalier([...args, '--json'], options);
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
  if (!/^\{.*\}\n$/.test(stdout)) throw new Error(`not one line of JSON: ${stdout}`);
  return JSON.parse(stdout);
}

/** A temporary folder that is removed after the tests. */
export async function scratchFolder(): Promise<{ path: (name: string) => string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-cli-'));
  return { path: (name) => join(folder, name), remove: () => rm(folder, { recursive: true }) };
}

export async function writeTinyModel(path: string, options: Partial<ModelOptions> = {}): Promise<string> {
  await writeFile(path, await makeModel({ architecture: 'llama', format: 'F32', ...options }));
  return path;
}
