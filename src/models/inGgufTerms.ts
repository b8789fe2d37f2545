/** Presents a Hugging Face folder with GGUF names and metadata, as a conversion to a GGUF file would. */
import { UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { tokenizerToGguf } from '../formats/tokenizerToGguf.ts';
import { isWeight, type Value, type WeightAttributes } from '../graph/graph.ts';
import type { WeightStore } from '../graph/program.ts';
import { bytesOf } from '../tensor/blockFormat.ts';
import { type BuiltModel, buildModel } from './buildModel.ts';
import type { FolderFamily } from './folders/family.ts';
import { folderOf } from './folders/folder.ts';
import { type RopeScaling, yarnMagnitude } from './parts/ropeScaling.ts';
import { weightStore } from './weightStore.ts';

/** Keys for `build` that only folders have, without an equivalent in GGUF. */
const foldersOwn =
  /\.(output\.(?:tied|absent)|attention\.(bias|output_bias|unscaled|scale_by_layer)|feed_forward\.(bias|activation)|rope\.(scaling|local_scaling|layers)|learned_positions|classifier\.activation|bias|embedding_scaled|ssm\.(norm_before_gate|time_step_min|time_step_max|epsilon))$/;

/**
 * @param checkpoint closed by `close` of the result; a GGUF checkpoint is returned as it is
 * @throws {UnsupportedError} if GGUF has no such architecture or tokenizer, or no key for what the folder's config says; what
 *   `buildModel` throws
 */
export function inGgufTerms(checkpoint: Checkpoint): Checkpoint {
  if (checkpoint.kind === 'gguf') return checkpoint;
  const { architecture, family, metadata: own } = folderOf(checkpoint);
  const { name } = architecture;
  if (architecture.foldersOnly) throw new UnsupportedError(`${checkpoint.name}: writing architecture`, name);
  const model = buildModel(checkpoint);
  const store = weightStore(model);
  const tensors = new Map<string, CheckpointTensor>();
  for (const node of model.graph.live()) {
    if (!isWeight(node) || model.filled.has(node.attributes.tensor)) continue;
    tensors.set(node.attributes.tensor, tensorOf(node, store, family, model.metadata));
  }
  const text = checkpoint.tokenizer ? tokenizerToGguf(checkpoint.tokenizer, checkpoint.chatTemplate) : [];
  const { tokenizer, chatTemplate, byteLength } = checkpoint;
  const keys = [...own].filter(([key]) => !foldersOwn.test(key));
  const scaling = own.get(`${name}.rope.scaling`) as RopeScaling | undefined;
  const result: Checkpoint = {
    name: checkpoint.name,
    kind: 'gguf',
    metadata: new Map<string, unknown>([
      ['general.architecture', name],
      ...keys,
      ...scalingKeys(scaling).map(([key, value]): [string, unknown] => [`${name}.rope.scaling.${key}`, value]),
      ...text,
    ]),
    tensors,
    tokenizer,
    chatTemplate,
    byteLength,
    finish: (signal) => checkpoint.finish?.(signal) ?? Promise.resolve(),
    close: () => checkpoint.close(),
  };
  refuseOtherGraph(checkpoint, model, result);
  return result;
}

function scalingKeys(scaling: RopeScaling | undefined): [key: string, value: unknown][] {
  if (scaling?.type === 'linear' && scaling.factor !== 1)
    return [
      ['type', 'linear'],
      ['factor', scaling.factor],
    ];
  if (scaling?.type !== 'yarn') return [];
  return [
    ['type', 'yarn'],
    ['factor', scaling.factor],
    ['original_context_length', scaling.original],
    ['attn_factor', scaling.magnitude / yarnMagnitude(scaling.factor)],
  ];
}

/** @throws {UnsupportedError} if GGUF cannot represent a setting of the folder's config, so that the model would differ */
function refuseOtherGraph(folder: Checkpoint, model: BuiltModel, result: Checkpoint): void {
  const [own, written] = [model, buildModel(result)].map(({ graph }) => graph.live()) as [Value[], Value[]];
  const differing = own.findIndex((node, index) => !written[index] || described(node) !== described(written[index]));
  if (differing < 0 && own.length === written.length) return;
  const node = own[Math.max(0, differing)];
  const setting = differingSetting(node, written[differing]);
  const what = `${folder.name}: writing to GGUF the setting of config.json for`;
  throw new UnsupportedError(what, node.label + setting, [], { label: node.label });
}

/** The first attribute that differs: ' (order is "blocks", in GGUF "turns")'. */
function differingSetting(own: Value, written: Value | undefined): string {
  if (written?.op !== own.op) return '';
  const [found, inGguf] = [own, written].map(({ attributes }) => (attributes ?? {}) as Record<string, unknown>);
  const key = Object.keys(found).find(
    (name) => name !== 'layout' && comparable(found[name]) !== comparable(inGguf[name]),
  );
  return key === undefined ? '' : ` (${key} is ${comparable(found[key])}, in GGUF ${comparable(inGguf[key])})`;
}

const comparable = (value: unknown): string | undefined => JSON.stringify(value, rounded);

/** Describes a node for comparison, without the rotary layout, which may differ in GGUF. */
function described({ op, label, shape, attributes }: Value): string {
  const withoutLayout = (key: string, value: unknown) => (key === 'layout' ? undefined : rounded(key, value));
  return `${op.name} ${label} ${shape.join(' ')} ${JSON.stringify(attributes, withoutLayout)}`;
}

/** Numbers as they are compared: files may hold them as f32. */
function rounded(_: string, value: unknown): unknown {
  if (typeof value === 'number') return value.toPrecision(6);
  return ArrayBuffer.isView(value) ? Array.from(value as Float32Array, (element) => element.toPrecision(5)) : value;
}

function tensorOf(
  weight: Value<WeightAttributes>,
  store: WeightStore,
  family: FolderFamily,
  metadata: { count(key: string, otherwise?: number): number },
): CheckpointTensor {
  const { tensor: name, format } = weight.attributes;
  const [rows, columns] = weight.shape as readonly [number, number];
  const interleaved = family.isInterleavedInGguf?.(name) ?? false;
  const heads = metadata.count('attention.head_count');
  const keyHeads = metadata.count('attention.head_count_kv', heads);
  const headSize = rows / (/attn_k\./.test(name) ? keyHeads : heads);
  const rowBytes = bytesOf(format, columns);
  return {
    name,
    format,
    shape: rows === 1 ? [columns] : [rows, columns],
    byteLength: rows * rowBytes,
    async read(offset, into, signal) {
      if (!interleaved) return store.readRows(weight, offset / rowBytes, into, signal);
      for (let done = 0; done < into.length; done += rowBytes) {
        const row = inHalves((offset + done) / rowBytes, headSize);
        await store.readRows(weight, row, into.subarray(done, done + rowBytes), signal);
      }
    },
  };
}

/** Maps a row of a head from the 'interleaved' layout (pairs side by side) to the 'half' layout. */
function inHalves(row: number, headSize: number): number {
  const within = row % headSize;
  return row - within + (within % 2) * (headSize / 2) + Math.floor(within / 2);
}
