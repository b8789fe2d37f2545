/** View of a Hugging Face folder for `build`: the family of its model type, metadata under GGUF keys, and tensors. */
import { FormatError, UnsupportedError } from '../../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../../formats/checkpoint.ts';
import type { Architecture } from '../architecture.ts';
import type { StoredWeight } from '../buildModel.ts';
import { architectures } from '../index.ts';
import { unsupportedModel } from '../missing.ts';
import { type Fields, FolderConfig, isFields } from './config.ts';
import type { FolderFamily, FolderTensor } from './family.ts';
import { refuseQuantization, refuseQuantizedTensors } from './quantization.ts';

/** Prefixes of tensor names: that of the model's class in transformers, or none. */
const prefixes = [
  'model.',
  '',
  'transformer.',
  'gpt_neox.',
  'model.decoder.',
  'decoder.',
  'biogpt.',
  'bert.',
  'roberta.',
  'distilbert.',
  'gpt_neox_japanese.',
  'backbone.',
];
/** Prefixes of the text model's tensors in a vision-language model. */
const textPrefixes = ['model.language_model.', 'language_model.model.', 'language_model.', 'model.text_model.'];
/** Prefixes of the other parts of a vision-language model. */
const otherParts = /^(model\.)?(vision|visual|multi_modal|multimodal|embed_vision|image|audio|mm_|connector)/;

export interface Folder {
  readonly architecture: Architecture;
  readonly family: FolderFamily;
  readonly config: FolderConfig;
  /** Metadata under GGUF keys. */
  readonly metadata: ReadonlyMap<string, unknown>;
  find(name: string, places: ReadonlyMap<string, number>): StoredWeight | undefined;
  /** Returns the folder's name of a tensor with this GGUF name. */
  nameOf(name: string): string;
  /** True for tensors outside of the text model, e.g. of the vision tower. */
  isOtherPart(tensor: string): boolean;
}

/** @throws {UnsupportedError} for an unknown model type, a quantized folder, or a field that is not supported; {FormatError} */
export function folderOf(checkpoint: Checkpoint): Folder {
  const { name, tensors } = checkpoint;
  const outer = Object.fromEntries(checkpoint.metadata);
  refuseQuantization(name, outer);
  refuseQuantizedTensors(name, tensors.keys());
  const { architecture, family, fields, nested } = familyOf(name, outer);
  refuseQuantization(name, fields);
  const config = new FolderConfig(name, fields, family.defaults);
  const own = Object.entries(family.metadata(config)).filter(([, value]) => value !== undefined);
  const metadata = new Map(own.map(([key, value]) => [`${architecture.name}.${key}`, value]));
  const tied = metadata.get(`${architecture.name}.output.tied`) === true;
  const known = nested ? [...textPrefixes, ...prefixes] : prefixes;
  const locate = (inside: string): CheckpointTensor | undefined => {
    for (const prefix of known) {
      const tensor = tensors.get(prefix + inside);
      if (tensor) return tensor;
    }
    return undefined;
  };
  const usual = known.find((prefix) => [...tensors.keys()].some((tensor) => tensor.startsWith(prefix))) ?? '';
  const placed = (tensor: FolderTensor): CheckpointTensor[] => {
    const { names, stacked } = tensor;
    const found = (stacked ?? names).map(locate);
    if (stacked) return found.every((one) => one !== undefined) ? (found as CheckpointTensor[]) : [];
    return found.filter((one) => one !== undefined).slice(0, 1);
  };
  const find: Folder['find'] = (wanted, places) => {
    const tensor = family.tensor(wanted, config);
    const found = placed(tensor);
    if (found.length === 0) {
      // of two tied tensors, the file may contain either one
      return wanted === 'token_embd.weight' && tied ? find('output.weight', places) : undefined;
    }
    const rows = found[0].shape[0] ?? 1;
    return {
      tensors: found,
      transposed: tensor.transposed ?? false,
      order: tensor.order?.(rows),
      change: tensor.change,
      place: places.get(found[0].name)!,
    };
  };
  return {
    architecture,
    family,
    config,
    metadata,
    find,
    nameOf(wanted) {
      const { names, stacked } = family.tensor(wanted, config);
      const [inside] = stacked ?? names;
      if (inside === undefined) return wanted;
      const elsewhere = [...tensors.keys()].find((tensor) => tensor.endsWith(`.${inside}`));
      const expected = inside.startsWith('lm_head') ? inside : usual + inside;
      return elsewhere ? `${expected} (there is ${elsewhere}, with a prefix that is not known)` : expected;
    },
    isOtherPart: (tensor) => nested && otherParts.test(tensor),
  };
}

interface Found {
  readonly architecture: Architecture;
  readonly family: FolderFamily;
  readonly fields: Fields;
  /** True for the text model of a vision-language model. */
  readonly nested: boolean;
}

function familyOf(folder: string, outer: Fields): Found {
  const text = outer.text_config;
  if (isFields(text) && byModelType(outer) === undefined) {
    const found = byModelType(text);
    const tied = text.tie_word_embeddings ?? outer.tie_word_embeddings;
    const fields = tied === undefined ? text : { ...text, tie_word_embeddings: tied };
    if (found) return { ...found, fields, nested: true };
  }
  const found = byModelType(outer);
  if (found) {
    refuseTokenClassifier(folder, outer);
    return { ...found, fields: outer, nested: false };
  }
  if (outer.model_type === undefined) {
    const isFile = Object.keys(outer).length === 0 || folder.endsWith('.safetensors');
    const what = isFile ? 'has tensors only' : 'has no model_type';
    const problem = `${what}: a model needs its config.json as well; give the folder that holds both`;
    throw new FormatError(folder, problem, { expected: 'model_type' });
  }
  const types = architectures.flatMap(({ folders = [] }) => folders.flatMap(({ modelTypes }) => modelTypes));
  throw unsupportedModel('model_type', folder, outer.model_type, [...new Set(types)].toSorted());
}

/** Its classifier labels each token, and would be read as one that scores a text. @throws {UnsupportedError} */
function refuseTokenClassifier(folder: string, { architectures: classes }: Fields): void {
  const [name] = Array.isArray(classes) ? classes : [];
  if (typeof name !== 'string' || !name.endsWith('ForTokenClassification')) return;
  const supported = [
    'classes of embedders (…Model)',
    'of rerankers (…ForSequenceClassification)',
    'of language models',
  ];
  throw new UnsupportedError(`${folder}: architectures`, name, supported);
}

function byModelType(fields: Fields): { architecture: Architecture; family: FolderFamily } | undefined {
  const all = architectures.flatMap((architecture) =>
    (architecture.folders ?? []).map((family) => ({ architecture, family })),
  );
  const named = all.filter(({ family }) => family.modelTypes.some((known) => known === fields.model_type));
  return named.find(({ family }) => family.accepts?.(fields)) ?? named.find(({ family }) => !family.accepts);
}
