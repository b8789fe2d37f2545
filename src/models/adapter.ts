/**
 * LoRA adapters (Hu et al. 2021): low-rank factors beside some matrices of a model, y = W·x + (alpha / rank) · B·(A·x), as
 * GGUF files in llama.cpp's form: general.type 'adapter', adapter.type 'lora', adapter.lora.alpha, and for each matrix the
 * tensors `<matrix>.lora_a` [rank, inputs] and `<matrix>.lora_b` [outputs, rank].
 * Source: https://github.com/ggml-org/llama.cpp (convert_lora_to_gguf.py, src/llama-adapter.cpp).
 */
import { FormatError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { GgufContents } from '../formats/gguf/write.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { isWeight } from '../graph/graph.ts';
import type { Program } from '../graph/program.ts';
import { formatByName } from '../tensor/formats.ts';
import { type Factors, factorNames } from './modelBuilder.ts';

export interface Adapter {
  /** File name for error messages. */
  readonly name: string;
  /** Architecture of the models that it fits. */
  readonly architecture: string;
  readonly alpha: number;
  /** Factors by matrix name. */
  readonly factors: ReadonlyMap<string, AdapterFactors>;
}

export interface AdapterFactors {
  readonly rank: number;
  /** A [rank, inputs] */
  readonly a: Float32Array;
  /** B [outputs, rank] */
  readonly b: Float32Array;
}

const F32 = formatByName('F32');

/** @throws {FormatError} if the file is not a complete adapter @throws {SourceError} */
export async function readAdapter(checkpoint: Checkpoint): Promise<Adapter> {
  const { name, metadata, tensors } = checkpoint;
  const wrong = (problem: string, data = {}): FormatError => new FormatError(name, problem, data);
  if (metadata.get('general.type') !== 'adapter' || metadata.get('adapter.type') !== 'lora')
    throw wrong('it is no LoRA adapter: general.type is not adapter, or adapter.type not lora');
  const alpha = metadata.get('adapter.lora.alpha');
  if (typeof alpha !== 'number' || !Number.isFinite(alpha)) throw wrong('adapter.lora.alpha is no number');
  const factors = new Map<string, AdapterFactors>();
  for (const [tensor, { shape }] of tensors) {
    const matrix = /^(.+)\.lora_([ab])$/.exec(tensor)?.[1];
    if (matrix === undefined) throw wrong(`tensor ${tensor} is no factor of an adapter`, { tensor });
    if (factors.has(matrix)) continue;
    const names = factorNames(matrix);
    const [a, b] = [tensors.get(names.a), tensors.get(names.b)];
    if (!a || !b) throw wrong(`tensor ${a ? names.b : names.a} is missing`, { tensor: a ? names.b : names.a });
    const rank = a.shape[0];
    if (a.shape.length !== 2 || b.shape.length !== 2 || rank === 0 || b.shape[1] !== rank) {
      const problem = `tensors of ${matrix} have shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}], expected [rank, inputs] and [outputs, rank]`;
      throw wrong(problem, { tensor, found: [a.shape, b.shape, shape] });
    }
    factors.set(matrix, { rank, a: await tensorValues(a), b: await tensorValues(b) });
  }
  if (factors.size === 0) throw wrong('it is an adapter without tensors');
  return { name, architecture: String(metadata.get('general.architecture')), alpha, factors };
}

/** Contents of an adapter file. @param title general.name */
export function adapterContents({ architecture, alpha, factors }: Omit<Adapter, 'name'>, title: string): GgufContents {
  const tensors = [...factors].flatMap(([matrix, { rank, a, b }]) => {
    const names = factorNames(matrix);
    const plain = (name: string, values: Float32Array, shape: number[]) => {
      const bytes = new Uint8Array(values.length * 4);
      F32.encode(values, 0, bytes, 0, values.length);
      return { name, shape, format: F32, data: bytes };
    };
    return [plain(names.a, a, [rank, a.length / rank]), plain(names.b, b, [b.length / rank, rank])];
  });
  return {
    metadata: [
      ['general.type', 'adapter'],
      ['general.architecture', architecture],
      ['general.name', title],
      ['adapter.type', 'lora'],
      ['adapter.lora.alpha', { type: 'f32', value: alpha }],
    ],
    tensors,
  };
}

/**
 * Returns the low-rank factors that a graph needs for an adapter. The scale is part of the values, see {@link writeFactors}.
 * @param base checkpoint with GGUF names @throws {FormatError} if the adapter is for another architecture
 */
export function placesFor({ name, architecture, factors }: Adapter, base: Checkpoint): Map<string, Factors> {
  const own = base.metadata.get('general.architecture');
  if (own !== architecture) {
    const problem = `the adapter is for architecture ${architecture}, but ${base.name} is ${String(own)}`;
    throw new FormatError(name, problem, { expected: own, found: architecture });
  }
  return new Map([...factors].map(([matrix, { rank }]) => [matrix, { rank, scale: 1 }]));
}

/** Returns the factors that several adapters need, of which one is used at a time: the largest rank for each matrix. */
export function placesForAll(adapters: readonly Adapter[], base: Checkpoint): Map<string, Factors> {
  const places = new Map<string, Factors>();
  for (const adapter of adapters)
    for (const [matrix, place] of placesFor(adapter, base))
      if (place.rank > (places.get(matrix)?.rank ?? 0)) places.set(matrix, place);
  return places;
}

/**
 * Writes an adapter into a program's factors, whose ranks may be larger. Factors of matrices that the adapter does not have,
 * or all if it is undefined, are set to zero, so that they have no effect.
 * @throws {FormatError} if it does not fit; the program is then unchanged
 */
export async function writeFactors(
  program: Program,
  places: ReadonlyMap<string, Factors>,
  adapter: Adapter | undefined,
): Promise<void> {
  const shapes = new Map<string, readonly [rows: number, columns: number]>();
  for (const node of program.graph.nodes)
    if (isWeight(node)) shapes.set(node.attributes.tensor, [Number(node.shape[0]), node.shape[1]]);
  if (adapter) checkFits(adapter, places, shapes);
  for (const [matrix, place] of places) {
    const names = factorNames(matrix);
    const [outputs, inputs] = shapes.get(matrix)!;
    const factors = adapter?.factors.get(matrix);
    const a = new Float32Array(place.rank * inputs);
    const b = new Float32Array(outputs * place.rank);
    if (adapter && factors) {
      const scale = adapter.alpha / factors.rank / place.scale;
      a.set(factors.a);
      for (let row = 0; row < outputs; row++) {
        for (let i = 0; i < factors.rank; i++) b[row * place.rank + i] = scale * factors.b[row * factors.rank + i];
      }
    }
    await program.writeTensor(names.a, a);
    await program.writeTensor(names.b, b);
  }
}

function checkFits(
  { name, factors }: Adapter,
  places: ReadonlyMap<string, Factors>,
  shapes: ReadonlyMap<string, readonly [number, number]>,
): void {
  for (const [matrix, { rank, a, b }] of factors) {
    const place = places.get(matrix);
    const shape = shapes.get(matrix);
    if (!place || !shape) {
      const problem = `it adapts ${matrix}, but the model was loaded without room for that: load the model with this adapter`;
      throw new FormatError(name, shape ? problem : `it adapts ${matrix}, which the model does not have`, { matrix });
    }
    if (rank > place.rank) {
      const problem = `the rank of ${matrix} is ${rank}, but the model was loaded for rank ${place.rank}: load the model with this adapter`;
      throw new FormatError(name, problem, { matrix, expected: place.rank, found: rank });
    }
    const found = [b.length / rank, a.length / rank];
    if (found.join() !== shape.join()) {
      const problem = `it is for ${matrix} of [${found.join(', ')}] and the model's is [${shape.join(', ')}]`;
      throw new FormatError(name, problem, { matrix, expected: shape, found });
    }
  }
}
