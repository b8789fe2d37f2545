/** llama.cpp's own quantizer as a peer: llama-imatrix and llama-quantize with the calibration text that Espalier gets. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ended } from '../process.ts';

const folder = join(process.env.ESPALIER_LLAMA_CPP ?? join(homedir(), '.cache/espalier-llama-cpp'), 'build/bin');

/** Path of a tool. */
export const toolPath = (tool: string): string => join(folder, tool);

/** @throws {Error} if the tools are not built */
export function checkTools(): void {
  for (const tool of ['llama-quantize', 'llama-imatrix'])
    if (!existsSync(toolPath(tool)))
      throw new Error(
        `${toolPath(tool)} is missing: build llama.cpp's tools, or set ESPALIER_LLAMA_CPP to their folder`,
      );
}

export interface ImatrixOptions {
  readonly window: number;
  readonly windows: number;
  readonly threads: number;
}

/** @returns seconds */
export function imatrix(model: string, text: string, output: string, options: ImatrixOptions): Promise<number> {
  const { window, windows, threads } = options;
  const size = ['-c', window, '-b', window, '--chunks', windows, '-t', threads].map(String);
  return run('llama-imatrix', ['-m', model, '-f', text, '-o', output, ...size]);
}

export interface PeerOptions {
  readonly type: string;
  readonly imatrix?: string;
  readonly pure?: boolean;
  readonly threads: number;
}

/** @returns seconds */
export function quantize(model: string, output: string, options: PeerOptions): Promise<number> {
  const { type, imatrix, pure, threads } = options;
  const flags = [...(pure ? ['--pure'] : []), ...(imatrix ? ['--imatrix', imatrix] : [])];
  return run('llama-quantize', ['--allow-requantize', ...flags, model, output, type, String(threads)]);
}

async function run(tool: string, args: readonly string[]): Promise<number> {
  const started = performance.now();
  await ended(spawn(toolPath(tool), args, { stdio: ['ignore', 'ignore', 'pipe'] }));
  return (performance.now() - started) / 1000;
}
