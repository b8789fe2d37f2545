/** Reads the files of sentence-transformers: modules.json, the modules' folders, and prompts. */
import { FormatError, UnsupportedError } from '../../core/errors.ts';
import { type DenseLayer, type EmbeddingSettings, POOLINGS, type Pooling } from '../embeddingSettings.ts';
import type { Folder } from '../folder.ts';
import { parseJsonObject, readText } from '../json.ts';
import { JsonValue } from '../jsonValue.ts';
import { readSafetensors } from '../safetensors/read.ts';
import { tensorValues } from '../tensorValues.ts';

/** Pooling modes in 1_Pooling/config.json, as flags and as `pooling_mode`. */
const POOLING_NAMES: Readonly<Record<string, Pooling>> = {
  cls_token: 'cls',
  mean_tokens: 'mean',
  max_tokens: 'max',
  mean_sqrt_len_tokens: 'meanSqrtLength',
  weightedmean_tokens: 'weightedMean',
  lasttoken: 'last',
  cls: 'cls',
  mean: 'mean',
  max: 'max',
  mean_sqrt_len: 'meanSqrtLength',
  weightedmean: 'weightedMean',
};

/** @returns undefined for a folder without modules.json @throws {FormatError}; {UnsupportedError} for an unknown module */
export async function readSentenceTransformers(
  folder: Folder,
  signal?: AbortSignal,
): Promise<EmbeddingSettings | undefined> {
  const modules = await read(folder, 'modules.json', signal);
  if (!modules) return undefined;
  let settings: EmbeddingSettings = {};
  for (const module of modules.list()) {
    const type = module.get('type').string().split('.').at(-1)!;
    const path = module.get('path').string('');
    if (path.includes('..') || path.startsWith('/')) throw module.get('path').wrong('a folder inside this one');
    const inside = (file: string) => (path === '' ? file : `${path}/${file}`);
    if (type === 'Transformer') {
      const config = await read(folder, inside('sentence_bert_config.json'), signal);
      const length = config?.get('max_seq_length');
      if (length && !length.isAbsent()) settings = { ...settings, maxLength: length.integer(2 ** 31) };
    } else if (type === 'Pooling') {
      const config = await read(folder, inside('config.json'), signal);
      if (!config) throw new FormatError(folder.name, `has no ${inside('config.json')}, which modules.json names`, {});
      settings = { ...settings, ...readPooling(config) };
    } else if (type === 'Normalize') settings = { ...settings, normalize: true };
    else if (type === 'Dense')
      settings = { ...settings, dense: [...(settings.dense ?? []), await readDense(folder, inside, signal)] };
    else throw new UnsupportedError(`${folder.name}: module`, type, ['Transformer', 'Pooling', 'Dense', 'Normalize']);
  }
  return { ...settings, ...(await readPrompts(folder, signal)) };
}

function readPooling(config: JsonValue): EmbeddingSettings {
  const promptCounts = config.get('include_prompt').boolean(true);
  const mode = config.get('pooling_mode');
  const names = mode.isAbsent()
    ? Object.keys(config.object()).filter((key) => key.startsWith('pooling_mode_') && config.get(key).boolean(false))
    : [mode.string()];
  const found = names.map((name) => POOLING_NAMES[name.replace('pooling_mode_', '')]);
  const [pooling] = found;
  if (found.length !== 1 || pooling === undefined) throw config.unsupported(names.join(' with '), POOLINGS);
  return { pooling, ...(promptCounts ? {} : { promptCounts }) };
}

async function readDense(folder: Folder, inside: (file: string) => string, signal?: AbortSignal): Promise<DenseLayer> {
  const config = await read(folder, inside('config.json'), signal);
  const source = await folder.open(inside('model.safetensors'), signal);
  if (!config || !source)
    throw new FormatError(folder.name, `has no ${inside('model.safetensors')}, which modules.json names`, {});
  try {
    const name = config.get('activation_function').string('torch.nn.modules.linear.Identity');
    const activation = /Identity$/.test(name) ? 'identity' : /Tanh$/.test(name) ? 'tanh' : undefined;
    if (activation === undefined) throw config.get('activation_function').unsupported(name, ['Identity', 'Tanh']);
    const { tensors } = await readSafetensors(source, { signal });
    const values = async (tensor: string): Promise<Float32Array | undefined> => {
      const found = tensors.get(tensor);
      if (!found) return undefined;
      if (['F32', 'F16', 'BF16'].includes(found.format.name)) return tensorValues(found, signal);
      throw new UnsupportedError(`${source.name}: tensor ${tensor} in`, found.format.name, ['F32', 'F16', 'BF16']);
    };
    const weight = await values('linear.weight');
    if (!weight) throw new FormatError(source.name, 'has no tensor linear.weight', { tensor: 'linear.weight' });
    const bias = await values('linear.bias');
    return { weight, activation, ...(bias && { bias }) };
  } finally {
    await source.close();
  }
}

async function readPrompts(folder: Folder, signal?: AbortSignal): Promise<EmbeddingSettings> {
  const config = await read(folder, 'config_sentence_transformers.json', signal);
  if (!config || config.get('prompts').isAbsent()) return {};
  const prompts = config.get('prompts');
  const names = Object.keys(prompts.object()).filter((name) => !prompts.get(name).isAbsent());
  const defaultPrompt = config.get('default_prompt_name');
  return {
    prompts: Object.fromEntries(names.map((name) => [name, prompts.get(name).string()])),
    ...(!defaultPrompt.isAbsent() && { defaultPrompt: defaultPrompt.string() }),
  };
}

async function read(folder: Folder, file: string, signal?: AbortSignal): Promise<JsonValue | undefined> {
  const source = await folder.open(file, signal);
  if (!source) return undefined;
  try {
    const text = await readText(source, signal);
    // modules.json is a list
    const wrapped = parseJsonObject(`{"value":${text}}`, source.name);
    return new JsonValue(wrapped.value, '', source.name);
  } finally {
    await source.close();
  }
}
