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

/** Modules that are read, in the order in which they may stand. Dense may stand several times. */
const MODULES = ['Transformer', 'Pooling', 'Dense', 'Normalize'] as const;
const ORDER = /^TPD*N?$/;

interface Module {
  readonly type: (typeof MODULES)[number];
  /** Path of a file of the module in the folder. */
  readonly inside: (file: string) => string;
}

/**
 * @returns undefined for a folder without modules.json
 * @throws {FormatError}; {UnsupportedError} for a module, an order of modules or a setting that is not computed here
 */
export async function readSentenceTransformers(
  folder: Folder,
  signal?: AbortSignal,
): Promise<EmbeddingSettings | undefined> {
  const list = await read(folder, 'modules.json', signal);
  if (!list) return undefined;
  const modules = readModules(list, folder.name);
  let settings: EmbeddingSettings = {};
  const dense: DenseLayer[] = [];
  for (const { type, inside } of modules) {
    if (type === 'Transformer') {
      const config = await read(folder, inside('sentence_bert_config.json'), signal);
      if (config) settings = { ...settings, ...readTransformer(config) };
    } else if (type === 'Pooling') {
      const config = await read(folder, inside('config.json'), signal);
      if (!config) throw new FormatError(folder.name, `has no ${inside('config.json')}, which modules.json names`, {});
      settings = { ...settings, ...readPooling(config) };
    } else if (type === 'Normalize') settings = { ...settings, normalize: true };
    else dense.push(await readDense(folder, inside, signal));
  }
  if (dense.length > 0) settings = { ...settings, dense };
  return { ...settings, ...(await readPrompts(folder, signal)) };
}

/** Reads modules.json. Modules of other packages have the same names, but compute something else (pylate: a vector a token). */
function readModules(list: JsonValue, folder: string): Module[] {
  const modules = list.list().map((module): Module => {
    const type = module.get('type').string();
    const known = MODULES.find((name) => type.split('.').at(-1) === name);
    if (!known || !/^sentence_transformers\./.test(type))
      throw new UnsupportedError(
        `${folder}: module`,
        type,
        MODULES.map((name) => `sentence_transformers.models.${name}`),
      );
    const path = module.get('path').string('');
    if (path.includes('..') || path.startsWith('/')) throw module.get('path').wrong('a folder inside this one');
    return { type: known, inside: (file) => (path === '' ? file : `${path}/${file}`) };
  });
  if (!ORDER.test(modules.map(({ type }) => type[0]).join(''))) {
    const found = modules.map(({ type }) => type).join(', ') || 'none';
    throw new UnsupportedError(`${folder}: the modules`, found, [
      'Transformer, Pooling, Dense …, Normalize',
      'without Dense or Normalize',
    ]);
  }
  return modules;
}

/** Values of fields that change nothing. `undefined`: any value. */
type Neutral = Readonly<Record<string, readonly unknown[] | undefined>>;

/** @throws {UnsupportedError} for a field that is neither read nor neutral */
function refuseOthers(config: JsonValue, read: readonly string[], neutral: Neutral): void {
  for (const [key, value] of Object.entries(config.object())) {
    if (read.includes(key) || isNothing(value)) continue;
    if (Object.hasOwn(neutral, key)) {
      const values = neutral[key];
      const text = JSON.stringify(value);
      if (!values || values.some((one) => JSON.stringify(one) === text)) continue;
    }
    throw config.get(key).unsupported(JSON.stringify(value).slice(0, 80), []);
  }
}

const isNothing = (value: unknown): boolean =>
  value === null || value === false || (typeof value === 'object' && Object.keys(value!).length === 0);

/** How transformers' code is called, as sentence-transformers 5.4 writes it. */
const TEXT_ONLY = { text: { method: 'forward', method_output_name: 'last_hidden_state' } };

function readTransformer(config: JsonValue): EmbeddingSettings {
  refuseOthers(config, ['max_seq_length', 'do_lower_case'], {
    transformer_task: ['feature-extraction'],
    module_output_name: ['token_embeddings'],
    modality_config: [TEXT_ONLY],
    // about speed and memory
    unpad_inputs: undefined,
    model_args: undefined,
  });
  const length = config.get('max_seq_length');
  return {
    ...(!length.isAbsent() && { maxLength: length.integer(2 ** 31) }),
    ...(config.get('do_lower_case').boolean(false) && { lowercase: true }),
  };
}

function readPooling(config: JsonValue): EmbeddingSettings {
  const flags = Object.keys(config.object()).filter((key) => key.startsWith('pooling_mode_'));
  refuseOthers(config, ['include_prompt', 'pooling_mode', ...flags], {
    word_embedding_dimension: undefined,
    embedding_dimension: undefined,
  });
  const promptCounts = config.get('include_prompt').boolean(true);
  const mode = config.get('pooling_mode');
  const names = mode.isAbsent() ? flags.filter((key) => config.get(key).boolean(false)) : [mode.string()];
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
    refuseOthers(config, ['in_features', 'out_features', 'bias', 'activation_function'], {
      module_input_name: ['sentence_embedding'],
      module_output_name: ['sentence_embedding'],
    });
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
    const shape = tensors.get('linear.weight')!.shape;
    const [outputs, inputs] = ['out_features', 'in_features'].map((key) => config.get(key).integer(2 ** 31));
    if (shape.length !== 2 || shape[0] !== outputs || shape[1] !== inputs) {
      const problem = `tensor linear.weight has shape [${shape.join(', ')}], expected [${outputs}, ${inputs}] by ${inside('config.json')}`;
      throw new FormatError(source.name, problem, {
        tensor: 'linear.weight',
        expected: [outputs, inputs],
        found: shape,
      });
    }
    const bias = await values('linear.bias');
    const said = config.get('bias').boolean(bias !== undefined);
    if (said !== (bias !== undefined))
      throw new FormatError(
        source.name,
        `has ${bias ? 'a' : 'no'} tensor linear.bias, but config.json says otherwise`,
        {
          tensor: 'linear.bias',
        },
      );
    return { inputs, outputs, weight, activation, ...(bias && { bias }) };
  } finally {
    await source.close();
  }
}

async function readPrompts(folder: Folder, signal?: AbortSignal): Promise<EmbeddingSettings> {
  const config = await read(folder, 'config_sentence_transformers.json', signal);
  if (!config) return {};
  for (const [key, expected] of [
    ['model_type', 'SentenceTransformer'],
    ['truncate_dim', undefined],
  ] as const) {
    const found = config.get(key);
    if (!found.isAbsent() && found.value !== expected)
      throw found.unsupported(JSON.stringify(found.value).slice(0, 80), expected ? [expected] : []);
  }
  const prompts = config.get('prompts');
  const names = prompts.isAbsent() ? [] : Object.keys(prompts.object()).filter((name) => !prompts.get(name).isAbsent());
  const defaultPrompt = config.get('default_prompt_name');
  if (!defaultPrompt.isAbsent() && !names.includes(defaultPrompt.string()))
    throw defaultPrompt.wrong(`one of the prompts (${names.join(', ') || 'there are none'})`);
  return {
    ...(names.length > 0 && { prompts: Object.fromEntries(names.map((name) => [name, prompts.get(name).string()])) }),
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
