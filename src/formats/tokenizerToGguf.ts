/**
 * Writes a tokenizer as GGUF metadata, for `tokenizerFromGguf` and llama.cpp.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (tokenizer.ggml.*).
 */
import { UnsupportedError } from '../core/errors.ts';
import type { ChatTemplateSource } from '../tokenizer/chatTemplate.ts';
import { preTokenizers } from '../tokenizer/preTokenizers.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import { chatTemplatesToGguf } from './chatTemplates.ts';
import type { GgufValue } from './gguf/write.ts';

/** tokenizer.ggml.token_type */
const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** @throws {UnsupportedError} for settings without a GGUF key */
export function tokenizerToGguf(
  spec: TokenizerSpec,
  chatTemplate?: ChatTemplateSource,
): [key: string, value: GgufValue][] {
  const entries: [string, GgufValue | undefined][] = [
    ...entriesOf(spec),
    ['tokenizer.ggml.tokens', textsOf(spec)],
    ['tokenizer.ggml.token_type', tokenTypes(spec)],
    ['tokenizer.ggml.bos_token_id', spec.bos],
    ['tokenizer.ggml.eos_token_id', spec.eos],
    ['tokenizer.ggml.eot_token_id', spec.eot],
    ['tokenizer.ggml.eom_token_id', spec.eom],
    ['tokenizer.ggml.unknown_token_id', spec.unknown],
    ['tokenizer.ggml.padding_token_id', spec.padding],
    ['tokenizer.ggml.add_bos_token', spec.addBos],
    ['tokenizer.ggml.add_eos_token', spec.addEos],
    ...chatTemplatesToGguf(chatTemplate),
  ];
  return entries.filter((entry): entry is [string, GgufValue] => entry[1] !== undefined);
}

function entriesOf(spec: TokenizerSpec): [string, GgufValue][] {
  if (spec.kind === 'bpe') return bpeEntries(spec);
  if (spec.kind === 'spm') return spmEntries(spec);
  throw unsupported(spec, 'this kind of vocabulary');
}

/** Names an id without a token by a text that never occurs, as llama.cpp's converter does. */
function textsOf({ tokens }: TokenizerSpec): string[] {
  return tokens.map((text, id) => text ?? `[PAD${id}]`);
}

function bpeEntries(spec: TokenizerSpec): [string, GgufValue][] {
  if (!spec.merges) throw unsupported(spec, 'ranks instead of merges');
  const merges = spec.merges.map((merge) => {
    if (typeof merge !== 'string') throw unsupported(spec, 'spaces in its tokens');
    return merge;
  });
  if (spec.unknownReplaced === 'before' && spec.unknown !== undefined && spec.byteFallback)
    throw unsupported(spec, 'characters as letters');
  return [
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', preTokenizerName(spec)],
    ['tokenizer.ggml.merges', { type: 'string[]', value: merges }],
  ];
}

function spmEntries(spec: TokenizerSpec): [string, GgufValue][] {
  if (!spec.scores) throw unsupported(spec, 'merges instead of scores');
  const steps = spec.normalizer ?? [];
  const prefixed = steps[0]?.type === 'prepend' && steps[0].text === '▁';
  const marks = steps.at(-1);
  if (marks?.type !== 'replace' || marks.content !== '▁' || steps.length !== (prefixed ? 2 : 1))
    throw unsupported(spec, 'its kind of space prefix');
  if (spec.preTokenizer) throw unsupported(spec, 'a pre-tokenizer');
  return [
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.scores', Float32Array.from(spec.scores)],
    ['tokenizer.ggml.add_space_prefix', prefixed],
  ];
}

/** Returns the name of a pre-tokenizer with exactly these stages. */
function preTokenizerName(spec: TokenizerSpec): string {
  const { preTokenizer, ignoreMerges = false } = spec;
  // GGUF has no place for Qwen's NFC, and llama.cpp's own conversion leaves it out: text in NFC, as most is, has the same tokens
  if (spec.normalizer?.some((step) => step.type !== 'form' || step.form !== 'NFC'))
    throw unsupported(spec, 'a normalizer');
  if (typeof preTokenizer === 'string') return preTokenizer;
  const wanted = JSON.stringify(
    (preTokenizer ?? []).map((step) =>
      typeof step === 'object' && 'pattern' in step
        ? {
            pattern: plainContractions(step.pattern),
            ...(step.behavior !== undefined && step.behavior !== 'isolated' && { behavior: step.behavior }),
            ...(step.invert && { invert: true }),
          }
        : typeof step === 'object' &&
            'characters' in step &&
            step.characters === 'numbers' &&
            step.behavior === 'isolated'
          ? { pattern: '\\p{N}' }
          : step,
    ),
  );
  for (const [name, known] of preTokenizers) {
    const stages = [...known.patterns.map((pattern) => ({ pattern })), 'bytes'];
    if (JSON.stringify(stages) === wanted && (known.ignoreMerges ?? false) === ignoreMerges) return name;
  }
  throw unsupported(spec, 'a pre-tokenizer without a name');
}

/** Spells contractions as llama.cpp's patterns do, which cannot ignore case. */
function plainContractions(pattern: string): string {
  return pattern.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])");
}

function tokenTypes({ kind, tokens, added, unknown }: TokenizerSpec): Int32Array {
  const isByte = (text: string) => kind === 'spm' && /^<0x[0-9A-F]{2}>$/.test(text);
  const types = Int32Array.from(tokens, (text) =>
    text === undefined ? TokenType.unused : isByte(text) ? TokenType.byte : TokenType.normal,
  );
  for (const { id, special } of added) types[id] = special ? TokenType.control : TokenType.userDefined;
  if (unknown !== undefined && kind === 'spm') types[unknown] = TokenType.unknown;
  return types;
}

function unsupported({ kind }: TokenizerSpec, what: string): UnsupportedError {
  return new UnsupportedError(`writing a tokenizer (${kind}) to GGUF with`, what);
}
