/**
 * Tensors that a run has solved, or stages that it has measured so far, in files beside its output (`model.gguf.solved.…`): an interrupted run continues when it is
 * started again, and writes the same bytes. A stage is finished when the activations behind it are stored, after its tensors.
 */

import { sha256 } from '#leaf/formats/download/sha256';
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { MemoryError, SourceError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { fingerprintOf } from '../models/fingerprint.ts';
import type { Windows } from './calibrationText.ts';
import type { Solved } from './solver.ts';
import type { Activations } from './statistic.ts';
import { splitPath } from './writeFile.ts';

/** Bytes that are written at a time. */
const PIECE = 2 ** 22;

export class SolvedStore {
  /** Index of the last finished stage; -1: none. */
  readonly finished: number;
  readonly #folder: ReturnType<typeof checkpointFolder>;
  readonly #prefix: string;
  readonly #names: Set<string>;

  private constructor(folder: ReturnType<typeof checkpointFolder>, prefix: string, names: Set<string>) {
    this.#folder = folder;
    this.#prefix = prefix;
    this.#names = names;
    const stages = [...names].map((name) => /^activations\.(\d+)$/.exec(name)?.[1]);
    this.finished = stages.reduce((most, stage) => Math.max(most, Number(stage ?? -1)), -1);
  }

  /** Opens the store of an output. What another source, plan or text has left there is removed. */
  static async open(output: string, key: string): Promise<SolvedStore> {
    const [path, file] = splitPath(output);
    const folder = checkpointFolder(path);
    const prefix = `${file}.solved.`;
    const names = new Set<string>();
    for (const name of await folder.list()) if (name.startsWith(prefix)) names.add(name.slice(prefix.length));
    const store = new SolvedStore(folder, prefix, names);
    const known = names.has('key') ? new TextDecoder().decode((await store.#read('key')).bytes) : undefined;
    if (known === key) return store;
    await store.clear();
    const empty = new SolvedStore(folder, prefix, new Set());
    await empty.#write('key', {}, [new TextEncoder().encode(key)]);
    return empty;
  }

  has(tensor: string): boolean {
    return this.#names.has(`tensor.${tensor}`);
  }

  async get(tensor: string): Promise<Solved> {
    const { header, bytes } = await this.#read(`tensor.${tensor}`);
    const { lowBytes, ...solved } = header as Omit<Solved, 'bytes' | 'low'> & { readonly lowBytes: number };
    if (lowBytes === 0) return { ...solved, bytes };
    const end = bytes.length - lowBytes;
    return { ...solved, bytes: bytes.subarray(0, end), low: bytes.subarray(end) };
  }

  async put(tensor: string, { bytes, low = new Uint8Array(), ...header }: Solved): Promise<void> {
    await this.#write(`tensor.${tensor}`, { ...header, lowBytes: low.length }, [bytes, low]);
  }

  /** Stores what a stage has measured: a header as JSON, and values. `finish` follows. */
  async putStage(stage: number, header: object, values: readonly Float32Array[]): Promise<void> {
    const bytes = values.map((each) => new Uint8Array(each.buffer, each.byteOffset, each.byteLength));
    await this.#write(`stage.${stage}`, { header, lengths: values.map(({ length }) => length) }, bytes);
  }

  /** Returns the values that `putStage` stored for a finished stage. */
  async getStage(stage: number): Promise<{ readonly header: unknown; readonly values: readonly Float32Array[] }> {
    const { header, bytes } = await this.#read(`stage.${stage}`);
    const { header: own, lengths } = header as { header: unknown; lengths: readonly number[] };
    let at = 0;
    const values = lengths.map((length) => {
      at += 4 * length;
      return new Float32Array(bytes.slice(at - 4 * length, at).buffer);
    });
    return { header: own, values };
  }

  /** Stores the values that stages after `stage` read: the stage is finished. */
  async finish(stage: number, activations: Activations): Promise<void> {
    const entries = [...activations].map(([name, { length }]) => [name, length]);
    const values = [...activations.values()].map(
      (each) => new Uint8Array(each.buffer, each.byteOffset, each.byteLength),
    );
    await this.#write(`activations.${stage}`, { entries }, values);
    await this.#remove(`activations.${stage - 1}`);
  }

  /** The values that `finish` stored for the last finished stage. */
  async activations(): Promise<Activations> {
    const { header, bytes } = await this.#read(`activations.${this.finished}`);
    const { entries } = header as { entries: readonly (readonly [string, number])[] };
    const activations: Activations = new Map();
    let at = 0;
    for (const [name, length] of entries) {
      activations.set(name, new Float32Array(bytes.slice(at, at + 4 * length).buffer));
      at += 4 * length;
    }
    return activations;
  }

  /** Removes all files. */
  async clear(): Promise<void> {
    for (const name of this.#names) await this.#remove(name);
  }

  async #remove(name: string): Promise<void> {
    this.#names.delete(name);
    await this.#folder.remove(this.#prefix + name);
  }

  /** Writes a file: the length of the header, the header as JSON, the values. */
  async #write(name: string, header: object, values: readonly Uint8Array[]): Promise<void> {
    const text = new TextEncoder().encode(JSON.stringify(header));
    await this.#folder.replace(this.#prefix + name, async (sink) => {
      await sink.write(new Uint8Array(Uint32Array.of(text.length).buffer));
      await sink.write(text);
      for (const bytes of values)
        for (let at = 0; at < bytes.length; at += PIECE) await sink.write(bytes.subarray(at, at + PIECE));
    });
    this.#names.add(name);
  }

  async #read(name: string): Promise<{ header: unknown; bytes: Uint8Array }> {
    const source = await this.#folder.open(this.#prefix + name);
    try {
      const length = new Uint8Array(4);
      await source.read(0, 4, length);
      const [size] = new Uint32Array(length.buffer);
      const text = new Uint8Array(size);
      await source.read(4, size, text);
      const bytes = new Uint8Array(source.size - 4 - size);
      await source.read(4 + size, bytes.length, bytes);
      return { header: JSON.parse(new TextDecoder().decode(text)), bytes };
    } finally {
      await source.close();
    }
  }
}

/** True if a run that failed continues when it is started again. */
export const canContinue = (error: unknown, signal: AbortSignal | undefined): boolean =>
  signal?.aborted === true || error instanceof SourceError || error instanceof MemoryError;

/** Distinguishes runs by the source, their settings (JSON) and the calibration text. */
export async function keyOf(checkpoint: Checkpoint, settings: unknown, { tokens, size }: Windows): Promise<string> {
  const hash = sha256();
  hash.update(new TextEncoder().encode(JSON.stringify([await fingerprintOf(checkpoint), size, settings])));
  hash.update(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
  return hash.hex();
}
