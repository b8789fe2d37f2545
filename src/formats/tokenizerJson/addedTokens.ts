/**
 * The added tokens of a Hugging Face folder, which several files name, merged as transformers merges them:
 * tokenizer.json's, then `added_tokens_decoder` of tokenizer_config.json, or without it added_tokens.json, then the special
 * tokens that tokenizer_config.json or special_tokens_map.json name. Unknown ones get the next free ids.
 */
import type { AddedToken } from '../../tokenizer/spec.ts';
import type { SpecialTokens } from '../../tokenizer/specialTokens.ts';
import { isId, type JsonValue } from '../jsonValue.ts';

const names = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'] as const;

export interface AddedVocabulary {
  readonly added: AddedToken[];
  readonly special: SpecialTokens;
}

interface Flags {
  readonly special: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly singleWord: boolean;
  readonly normalized: boolean;
}

/**
 * @param tokens texts by id; unknown tokens are appended
 * @param config tokenizer_config.json @param map special_tokens_map.json @param addedJson added_tokens.json
 */
export function readAddedTokens(
  tokenizer: JsonValue,
  config: JsonValue,
  map: JsonValue,
  addedJson: JsonValue,
  tokens: (string | undefined)[],
): AddedVocabulary {
  const ids = new Map<string, number>();
  tokens.forEach((text, id) => {
    if (text !== undefined) ids.set(text, id);
  });
  const flags = new Map<string, Flags>();
  const most = 4 * tokens.length + (1 << 16);
  const add = (text: string, given: Flags, id?: number): void => {
    if (text === '') return;
    if (!ids.has(text)) {
      const free = id !== undefined && tokens[id] === undefined && id < most ? id : tokens.length;
      while (tokens.length <= free) tokens.push(undefined);
      tokens[free] = text;
      ids.set(text, free);
    }
    flags.set(text, given);
  };

  for (const token of tokenizer.get('added_tokens').list()) add(token.get('content').string(), readFlags(token));
  const decoder = config.get('added_tokens_decoder');
  const legacy = decoder.isAbsent();
  if (!legacy) {
    const entries = Object.keys(decoder.object()).sort((a, b) => Number(a) - Number(b));
    for (const key of entries) {
      const token = decoder.get(key);
      add(token.get('content').string(), readFlags(token), isId(Number(key), most) ? Number(key) : undefined);
    }
  }
  // special_tokens_map.json counts where tokenizer_config.json does not list its tokens itself
  const field = (name: string): JsonValue => {
    const mapped = map.get(name);
    return legacy && !mapped.isAbsent() ? mapped : config.get(name);
  };
  const named = names.map((name) => [name, field(`${name}_token`)] as const).filter(([, value]) => !value.isAbsent());
  const more = [...field('additional_special_tokens').list(), ...listed(field('extra_special_tokens'))];
  if (legacy && !addedJson.isAbsent()) {
    const specialTexts = new Set([...named.map(([, value]) => textOf(value)), ...more.map(textOf)]);
    const entries = Object.keys(addedJson.object());
    for (const text of entries) {
      if (flags.has(text)) continue;
      const special = specialTexts.has(text);
      add(text, { ...plain, special, normalized: !special }, addedJson.get(text).integer(Number.MAX_SAFE_INTEGER));
    }
  }
  for (const value of [...named.map(([, token]) => token), ...more]) {
    const text = textOf(value);
    const known = flags.get(text);
    if (known === undefined) add(text, { ...(value.isObject() ? readFlags(value) : plain), special: true });
    else if (!known.special && named.some(([, token]) => textOf(token) === text && !ids.has(text)))
      add(text, { ...known, special: true });
  }

  const special: Record<string, unknown> = Object.fromEntries(named.map(([name, value]) => [name, textOf(value)]));
  if (more.length > 0) special.additional = more.map(textOf);
  return { added: [...flags].map(([text, given]) => ({ id: ids.get(text)!, ...given })), special };
}

const plain: Flags = { special: true, lstrip: false, rstrip: false, singleWord: false, normalized: false };

function readFlags(token: JsonValue): Flags {
  const special = token.get('special').boolean(false);
  return {
    special,
    lstrip: token.get('lstrip').boolean(false),
    rstrip: token.get('rstrip').boolean(false),
    singleWord: token.get('single_word').boolean(false),
    normalized: token.get('normalized').boolean(!special),
  };
}

/** A list of tokens, or the values of named ones. */
function listed(field: JsonValue): JsonValue[] {
  return field.isObject() ? Object.keys(field.object()).map((key) => field.get(key)) : field.list();
}

function textOf(value: JsonValue): string {
  return value.isObject() ? value.get('content').string() : value.string('');
}
