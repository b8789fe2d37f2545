/** The engines that are compared: ours, llama.cpp on a GGUF file, transformers on a folder. Each returns logits by position. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { wasm } from '../../src/backends/wasm/index.ts';
import { EspalierError } from '../../src/core/errors.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { logitsInPieces } from '../../test/goldens/inPieces.ts';

export type Answer = { readonly logits: Float32Array[] } | { readonly refused: string };

/** Our WebAssembly engine with an exact cache. A refusal is an answer, any other error is not. */
export async function espalier(source: string, tokens: readonly number[], context: number): Promise<Answer> {
  try {
    const checkpoint = await openCheckpoint(source);
    try {
      const model = buildModel(checkpoint, context);
      const limits = { maxTokens: context, maxRows: context, context };
      const program = await wasm.compile(model.graph, {
        weights: weightStore(model),
        ...limits,
        settings: { threads: 1 },
      });
      const rows = await logitsInPieces(program, tokens);
      program.dispose();
      return { logits: rows };
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    return { refused: `${error.name}: ${error.message.split('/').at(-1)}` };
  }
}

/** A process that answers a JSON line with a JSON line. It is started again if a model brings it down. */
export class Peer {
  readonly #command: readonly [string, ...string[]];
  #child: ChildProcess | undefined;
  #lines: AsyncIterator<string> | undefined;

  constructor(...command: readonly [string, ...string[]]) {
    this.#command = command;
  }

  async ask(job: object): Promise<Answer> {
    if (!this.#child) this.#start();
    this.#child!.stdin!.write(`${JSON.stringify(job)}\n`);
    const line = await this.#lines!.next();
    if (line.done) {
      this.#child = undefined;
      return { refused: 'the process ended' };
    }
    const { logits, error, rows } = JSON.parse(line.value) as { logits?: string; error?: string; rows?: number };
    if (logits === undefined) return { refused: String(error) };
    const all = new Float32Array(Uint8Array.from(Buffer.from(logits, 'base64')).buffer);
    const count = rows ?? (job as { tokens: unknown[] }).tokens.length;
    const width = all.length / count;
    return { logits: Array.from({ length: count }, (_, row) => all.subarray(row * width, (row + 1) * width)) };
  }

  async stop(): Promise<void> {
    if (!this.#child) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin!.end();
    await ended;
  }

  #start(): void {
    const [file, ...args] = this.#command;
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#child.stdin!.on('error', () => undefined);
    const lines: Interface = createInterface({ input: this.#child.stdout! });
    this.#lines = lines[Symbol.asyncIterator]();
  }
}

export const llamaCpp = (): Peer =>
  new Peer(process.execPath, fileURLToPath(new URL('../peers/oracle.mjs', import.meta.url)), '--jobs');

export const transformers = (python: string): Peer =>
  new Peer(python, fileURLToPath(new URL('./folders.py', import.meta.url)), 'run');
