/** Architectures that are known but cannot run, and what each would need. */
import { UnsupportedError } from '../core/errors.ts';

const needs = {
  compressedKeys: 'attention whose keys and values are compressed into one row (MLA)',
  chosenKeys: 'attention to few keys that an indexer chooses',
  rwkv: "RWKV's recurrence",
  diffusion: 'generation by diffusion, which fills in masked tokens in any order',
  encoderDecoder: 'an encoder and a decoder that attends to it',
  drafter: 'the large model that it drafts for',
  images: 'an encoder of images',
  speech: 'generation of sound',
  size: 'more than 4 GiB of memory, which WebAssembly cannot address',
} as const;

/** Reasons by the value of general.architecture, as llama.cpp names them. */
const ggufNeeds: Readonly<Record<string, string>> = {
  arctic: needs.size,
  arwkv7: needs.rwkv,
  bailingmoe3: needs.compressedKeys,
  chameleon: 'norms of groups of heads, in one vocabulary of text and images',
  clip: needs.images,
  cogvlm: needs.images,
  cohere2moe: 'parallel blocks with experts and local layers',
  deepseek2: needs.compressedKeys,
  'deepseek2-ocr': needs.images,
  deepseek32: needs.chosenKeys,
  deepseek4: needs.chosenKeys,
  dflash: needs.drafter,
  dots3note: needs.chosenKeys,
  dream: needs.diffusion,
  eagle3: needs.drafter,
  gemma3n: 'four streams of states (AltUp), low-rank residuals (LAuReL) and sparse activations',
  'gemma4-assistant': needs.drafter,
  'glm-dsa': needs.chosenKeys,
  'glm5-next': needs.chosenKeys,
  gptj: 'a layout of tensors that llama.cpp never defined; folders of it run',
  graniteswitch: 'adapters that it switches between by token',
  grok: needs.size,
  grovemoe: 'groups of experts that share a smaller expert',
  hrm_text: 'two stacks of layers that run in turns',
  hy_v3: 'experts with a shared expert in a graph of its own',
  hy_v4: needs.chosenKeys,
  'jina-bert-v3': 'low-rank factors that depend on the task',
  'kimi-k3': needs.size,
  'kimi-linear': needs.compressedKeys,
  laguna: needs.size,
  llada: needs.diffusion,
  'llada-moe': needs.diffusion,
  llama4: needs.size,
  maple: 'experts with clamped activations beside local layers',
  mimo2: needs.size,
  minicpm3: needs.compressedKeys,
  'minimax-01': needs.size,
  'minimax-m3': needs.size,
  mistral4: needs.compressedKeys,
  plamo2: "Mamba's scan with norms of its own",
  plm: needs.compressedKeys,
  pockettts: needs.speech,
  qwen3tts: needs.speech,
  qwen4exp: 'hyper-connections between layers, and an indexer that chooses keys',
  rnd1: needs.diffusion,
  rwkv6: needs.rwkv,
  rwkv6qwen2: needs.rwkv,
  rwkv7: needs.rwkv,
  step35: needs.size,
  t5: needs.encoderDecoder,
  t5encoder: 'positions in buckets by their distance',
  talkie: 'a factor of each query head',
  'wavtokenizer-dec': needs.speech,
};

/** Reasons by the model_type of config.json. */
const folderNeeds: Readonly<Record<string, string>> = {
  albert: 'layers that share one set of weights',
  bart: needs.encoderDecoder,
  'deberta-v2': 'attention to relative positions beside content (disentangled)',
  deepseek_v2: needs.compressedKeys,
  deepseek_v3: needs.compressedKeys,
  electra: 'embeddings of another width than its layers',
  gemma3n: ggufNeeds.gemma3n,
  gemma3n_text: ggufNeeds.gemma3n,
  gpt_oss: 'weights in MXFP4, in which its folders are published; GGUF files of it run',
  kimi_k2: needs.compressedKeys,
  llama4: needs.size,
  llama4_text: needs.size,
  minicpm3: needs.compressedKeys,
  mpnet: 'positions in buckets by their distance',
  mt5: needs.encoderDecoder,
  phimoe:
    'a router that masks experts far below the best one (sparse mixer); GGUF files of it run, with a plain softmax as in llama.cpp',
  rwkv: needs.rwkv,
  t5: needs.encoderDecoder,
  whisper: 'an encoder of sound',
};

/** Names of the models whose needs are listed here. */
export const knownButMissing = {
  architecture: Object.keys(ggufNeeds),
  model_type: Object.keys(folderNeeds),
} as const;

/** The error for a model whose architecture or model type is not supported, with the reason if it is known. */
export function unsupportedModel(
  kind: 'architecture' | 'model_type',
  file: string,
  name: unknown,
  supported: readonly string[],
): UnsupportedError {
  const reasons = kind === 'architecture' ? ggufNeeds : folderNeeds;
  const reason = Object.hasOwn(reasons, String(name)) ? reasons[String(name)] : undefined;
  const found = reason === undefined ? String(name) : `${String(name)}, which needs ${reason},`;
  return new UnsupportedError(`${file}: ${kind}`, found, supported, { [kind]: name, needs: reason });
}
