/**
 * The complete state of a training run as one safetensors file, so that a resumed run computes the same as one that never
 * stopped. Weights and optimizer moments are tensors; the rest is JSON in `__metadata__`. The last tensor is the SHA-256 of
 * all bytes before it, which detects truncated and damaged files.
 */

import * as z from 'zod';
import { sha256 } from '#leaf/formats/download/sha256';
import { FormatError } from '../../core/errors.ts';
import type { ByteSink } from '../../formats/byteSink.ts';
import type { ByteSource } from '../../formats/byteSource.ts';
import type { CheckpointTensor } from '../../formats/checkpoint.ts';
import { readSafetensors } from '../../formats/safetensors/read.ts';
import { writeSafetensors } from '../../formats/safetensors/write.ts';
import type { TensorToWrite } from '../../formats/tensorToWrite.ts';
import type { Settings } from '../../graph/program.ts';
import { formatByName } from '../../tensor/formats.ts';

const stateSchema = z.object({
  step: z.int().nonnegative(),
  // JSON has no NaN or infinity and writes null
  evaluations: z.array(
    z.object({
      step: z.int().nonnegative(),
      loss: z
        .number()
        .nullable()
        .transform((loss) => loss ?? Number.NaN),
    }),
  ),
  data: z.string(),
  settings: z.record(z.string(), z.union([z.string(), z.number()])),
  recipe: z.unknown(),
});

export interface TrainingState {
  /** Number of updates. */
  readonly step: number;
  /** All evaluations so far. */
  readonly evaluations: readonly { readonly step: number; readonly loss: number }[];
  /** `Dataset.fingerprint`. */
  readonly data: string;
  /** Backend settings that reproduce the run's bits. Another kernel variant rounds differently. */
  readonly settings: Settings;
  /** The recipe as written. */
  readonly recipe: unknown;
}

export interface StateTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major values. Called when the tensor is written, so that only one copy exists at a time. */
  values(): Float32Array | Promise<Float32Array>;
}

export interface TrainingCheckpoint {
  readonly state: TrainingState;
  /** Shapes of the tensors. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  /** Returns the row-major values of a tensor. @throws {FormatError} if no tensor has this name and shape @throws {SourceError} */
  read(name: string, shape: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
}

const KEY = 'espalier.training';
const DIGEST = 'sha256';
const DIGEST_BYTES = 32;
const READ_BYTES = 1 << 20;
const F32 = formatByName('F32');

/** Writes a checkpoint to a sink. */
export async function writeTrainingCheckpoint(
  sink: ByteSink,
  state: TrainingState,
  tensors: readonly StateTensor[],
): Promise<void> {
  const hash = sha256();
  let digested = false;
  const hashing: ByteSink = {
    async write(bytes) {
      if (!digested) hash.update(bytes);
      await sink.write(bytes);
    },
  };
  const list: TensorToWrite[] = tensors.map(({ name, shape, values }) => ({
    name,
    shape,
    format: F32,
    data: async () => bytesOf(await values()),
  }));
  const digest = () => {
    digested = true;
    return fromHex(hash.hex());
  };
  list.push({ name: DIGEST, shape: [DIGEST_BYTES / F32.blockBytes], format: F32, data: digest });
  await writeSafetensors(hashing, { metadata: [[KEY, JSON.stringify(state)]], tensors: list });
}

/**
 * Opens a checkpoint and verifies all of its bytes.
 * @param source closed by `close`, or if this function throws
 * @throws {FormatError} if the file is truncated, damaged, or not a checkpoint of a training run
 */
export async function readTrainingCheckpoint(source: ByteSource): Promise<TrainingCheckpoint> {
  try {
    const file = await readSafetensors(source);
    const text = file.metadata.get(KEY);
    if (text === undefined || file.tensors.get(DIGEST)?.byteLength !== DIGEST_BYTES) {
      const problem = `has no ${KEY}: it is a safetensors file, but not a checkpoint of a training run`;
      throw new FormatError(source.name, problem, { expected: KEY });
    }
    await checkDigest(source);
    const state = parseState(text, source.name);
    const tensors = new Map([...file.tensors].filter(([name]) => name !== DIGEST));
    return {
      state,
      tensors: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
      read: (name, shape) => readTensor(source.name, tensors, name, shape),
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readTensor(
  file: string,
  tensors: ReadonlyMap<string, CheckpointTensor>,
  name: string,
  shape: readonly number[],
): Promise<Float32Array> {
  const tensor = tensors.get(name);
  if (tensor?.format !== F32 || tensor.shape.join() !== shape.join()) {
    const found = tensor ? `${tensor.format.name} [${tensor.shape.join(', ')}]` : 'nothing';
    const expected = `F32 [${shape.join(', ')}]`;
    const problem = `tensor ${name} is ${found}, expected ${expected}: the checkpoint belongs to another model`;
    throw new FormatError(file, problem, { tensor: name, expected, found });
  }
  const values = new Float32Array(tensor.byteLength / 4);
  await tensor.read(0, bytesOf(values));
  return values;
}

async function checkDigest(source: ByteSource): Promise<void> {
  const hash = sha256();
  const end = source.size - DIGEST_BYTES;
  const buffer = new Uint8Array(Math.min(READ_BYTES, source.size));
  for (let at = 0; at < end; at += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, end - at));
    await source.read(at, part.length, part);
    hash.update(part);
  }
  const expected = new Uint8Array(DIGEST_BYTES);
  await source.read(end, DIGEST_BYTES, expected);
  const found = fromHex(hash.hex());
  if (found.every((byte, i) => byte === expected[i])) return;
  throw new FormatError(
    source.name,
    'its SHA-256 does not match the one at its end: the file is truncated or damaged',
    {},
  );
}

function parseState(text: string, file: string): TrainingState {
  const parsed = stateSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new FormatError(file, `${KEY}: ${path.join('.')}: ${message}`, { path });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
