/**
 * Early exits (Balcony, Jamialahmadi et al. 2025, arXiv 2503.05005): after some layers of a frozen model, one block of its own, a norm and a
 * part of the output matrix predict the next token. GGUF has no room for them, so they are a file beside the model's:
 * general.type 'exit', espalier.exit.depth, .tokens, .layers and .vocabulary (of the model, which may have been cut since), .weights and .kv (for each promise, what it holds for), and the tensors `exit.<part>.weight`, named as a block's parts,
 * with `exit.output_norm.weight` and `exit.output.weight` [S, D], the rows of the output matrix for the S tokens.
 */
import { FormatError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import type { GgufValue } from '../formats/gguf/write.ts';
import { formatByName } from '../tensor/formats.ts';
import { decodedTensor } from './dequantized.ts';
import { type ExitHeader, exitTensor } from './exitPart.ts';

const F32 = formatByName('F32');
const keys = {
  depth: 'espalier.exit.depth',
  tokens: 'espalier.exit.tokens',
  layers: 'espalier.exit.layers',
  vocabulary: 'espalier.exit.vocabulary',
  promises: ['risk', 'delta', 'threshold', 'exited', 'prompts'] as const,
  bindings: ['weights', 'kv'] as const,
};

/** @throws {FormatError} if the file is not an exit */
export function readExitHeader({ name, metadata, tensors }: Checkpoint): ExitHeader {
  const wrong = (problem: string, data = {}): FormatError => new FormatError(name, problem, data);
  if (metadata.get('general.type') !== 'exit') throw wrong('it is no exit: general.type is not exit');
  const count = (key: string, what: string): number => {
    const value = metadata.get(key);
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
    throw wrong(`${key} is ${String(value)}, expected a number of ${what}`);
  };
  const [depth, layers] = [count(keys.depth, 'layers'), count(keys.layers, 'layers')];
  const vocabulary = count(keys.vocabulary, 'tokens');
  const found = metadata.get(keys.tokens);
  const tokens = Int32Array.from(isNumbers(found) ? found : []);
  const rows = tensors.get('exit.output.weight')?.shape[0];
  if (tokens.length !== rows || tokens.some((id) => id < 0))
    throw wrong(`${keys.tokens} has ${tokens.length} ids, expected one for each of ${rows ?? 0} rows`);
  const columns = keys.promises.map((key) => metadata.get(`espalier.exit.${key}`) ?? []);
  const [risk, delta, threshold, exited, prompts] = columns.map((values) => (isNumbers(values) ? [...values] : []));
  // files from before promises were bound have none: then they hold for no model
  const [weights, kv] = keys.bindings.map((key) => {
    const values = metadata.get(`espalier.exit.${key}`);
    return Array.isArray(values) ? values.map(String) : [];
  });
  const promises = risk.map((value, i) => ({
    weights: weights[i] ?? '',
    kv: kv[i] ?? '',
    risk: value,
    delta: delta[i] ?? Number.NaN,
    threshold: threshold[i] ?? Number.NaN,
    exited: exited[i] ?? Number.NaN,
    prompts: prompts[i] ?? Number.NaN,
  }));
  if (promises.some((promise) => keys.promises.some((key) => !Number.isFinite(promise[key]))))
    throw wrong('its promises are incomplete', { found: promises });
  return { architecture: String(metadata.get('general.architecture')), depth, layers, vocabulary, tokens, promises };
}

/** Metadata of an exit's file. */
export function exitMetadata({
  architecture,
  depth,
  layers,
  vocabulary,
  tokens,
  promises,
}: ExitHeader): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>([
    ['general.type', 'exit'],
    ['general.architecture', architecture],
    [keys.depth, depth],
    [keys.layers, layers],
    [keys.vocabulary, vocabulary],
    [keys.tokens, tokens],
  ]);
  if (promises.length > 0)
    for (const key of keys.promises)
      metadata.set(
        `espalier.exit.${key}`,
        Float64Array.from(promises, (each) => each[key]),
      );
  if (promises.length > 0)
    for (const key of keys.bindings)
      metadata.set(
        `espalier.exit.${key}`,
        promises.map((each) => each[key]),
      );
  return metadata;
}

/**
 * A model with the tensors of an exit. @param base with GGUF names; closed by `close` of the result, as is `exit`
 * @throws {FormatError} if the exit is of another architecture, or of a model with more or fewer layers or tokens
 */
export function withExit(base: Checkpoint, exit: Checkpoint): Checkpoint {
  const { architecture, tokens, depth, ...of } = readExitHeader(exit);
  const own = base.metadata.get('general.architecture');
  if (own !== architecture)
    throw new FormatError(
      exit.name,
      `the exit is for architecture ${architecture}, but ${base.name} is ${String(own)}`,
      {
        expected: own,
        found: architecture,
      },
    );
  const has = {
    layers: Number(base.metadata.get(`${architecture}.block_count`)),
    vocabulary: base.tensors.get('token_embd.weight')?.shape[0] ?? 0,
  };
  for (const [what, found] of Object.entries(has) as [keyof typeof has, number][])
    if (of[what] !== found)
      throw new FormatError(
        exit.name,
        `it was made for a model with ${what === 'layers' ? `${of[what]} layers` : `a vocabulary of ${of[what]} tokens`}, but ${base.name} has ${found}: train an exit of that one`,
        { expected: found, found: of[what] },
      );
  const outside = tokens.find((id) => id >= has.vocabulary);
  if (outside !== undefined)
    throw new FormatError(
      exit.name,
      `${keys.tokens} has ${outside}, but the vocabulary has ${has.vocabulary} tokens`,
      {},
    );
  if (depth >= has.layers)
    throw new FormatError(exit.name, `${keys.depth} is ${depth}, expected less than the ${has.layers} layers`, {});
  const parts = [...exit.tensors].filter(([part]) => part.startsWith('exit.'));
  const { name, kind, metadata, tokenizer, embedding, chatTemplate } = base;
  return {
    ...{ name, kind, metadata, tokenizer, embedding, chatTemplate },
    tensors: new Map([...base.tensors, ...parts]),
    byteLength: base.byteLength + exit.byteLength,
    finish: async (signal) => {
      await Promise.all([base.finish?.(signal), exit.finish?.(signal)]);
    },
    close: async () => {
      await Promise.all([base.close(), exit.close()]);
    },
  };
}

/**
 * An exit to train: its block begins as the model's last one, in F32, its output rows are those of the model in their own format.
 * @param base with GGUF names @param tokens ids of its output rows @throws {FormatError} if there is no such layer
 */
export function freshExit(base: Checkpoint, depth: number, tokens: Int32Array): Checkpoint {
  const architecture = String(base.metadata.get('general.architecture'));
  const layers = Number(base.metadata.get(`${architecture}.block_count`));
  if (!(depth > 0 && depth < layers))
    throw new FormatError(base.name, `an exit after ${depth} layers, expected 1 to ${layers - 1}`, { depth, layers });
  const tensors = new Map<string, CheckpointTensor>();
  const add = (name: string, tensor: CheckpointTensor): void => {
    const { format, shape, byteLength } = tensor;
    tensors.set(name, { name, format, shape, byteLength, read: (...of) => tensor.read(...of) });
  };
  for (const [name, tensor] of base.tensors)
    if (name.startsWith(`blk.${layers - 1}.`)) add(exitTensor(name), decodedTensor(tensor));
  for (const [name, tensor] of base.tensors)
    if (name.startsWith('output_norm.')) add(`exit.${name}`, decodedTensor(tensor));
  const embedding = base.tensors.get('token_embd.weight');
  const output = base.tensors.get('output.weight') ?? embedding;
  if (!output) throw new FormatError(base.name, 'it has no output matrix', {});
  add('exit.output.weight', gathered(output, tokens));
  const byteLength = [...tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0);
  const [vocabulary] = (embedding ?? output).shape;
  return {
    name: base.name,
    kind: 'gguf',
    metadata: exitMetadata({ architecture, depth, layers, vocabulary, tokens, promises: [] }),
    tensors,
    byteLength,
    close: async () => undefined,
  };
}

/** Some rows of a matrix, in its format. */
function gathered(tensor: CheckpointTensor, rows: Int32Array): CheckpointTensor {
  const { name, format } = tensor;
  const rowBytes = tensor.byteLength / tensor.shape[0];
  return {
    name,
    format,
    shape: [rows.length, tensor.shape[1]],
    byteLength: rows.length * rowBytes,
    async read(offset, into, signal) {
      // only whole rows are read
      for (let at = 0; at < into.length; at += rowBytes)
        await tensor.read(rows[(offset + at) / rowBytes] * rowBytes, into.subarray(at, at + rowBytes), signal);
    },
  };
}

/** True for a tensor that training changes: the output rows stay those of the model. */
export const isTrainedInExit = (name: string): boolean => name.startsWith('exit.') && name !== 'exit.output.weight';

/** Format of an exit's tensor in its file. */
export const exitFormat = ({ name, shape, format }: CheckpointTensor, wanted: string) =>
  !isTrainedInExit(name) ? format : shape.length === 2 ? formatByName(wanted) : F32;

const isNumbers = (value: unknown): value is ArrayLike<number> & Iterable<number> =>
  (Array.isArray(value) && value.every((entry) => typeof entry === 'number')) ||
  (ArrayBuffer.isView(value) && !(value instanceof DataView));
