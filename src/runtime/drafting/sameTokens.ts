/** Checks that a draft model has the tokens of the model that it drafts for. */
import { OptionError } from '../../core/errors.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { Engine } from '../engine.ts';

/** Texts with letters, digits, code, accents and other scripts. Vocabularies that cut all of them alike are taken for the same. */
const PROBES: readonly string[] = [
  'The quick brown fox jumps over the lazy dog. 1234567890 + 98.6%',
  'for (let i = 0; i < n; i++) {\n\t  return items[i]["name"];\n}',
  'Ça coûte 5 € à Zürich; добрый день, 你好, こんにちは, 🙂',
];

/** @throws {OptionError} */
export function checkSameTokens(model: Engine, draft: Engine): void {
  const refuse = (found: string, expected: string): never => {
    throw new OptionError('draftModel', `${draft.name} ${found}`, `${expected} of ${model.name}`);
  };
  if (draft.isEncoder) refuse('is an encoder', 'a model that generates, with the tokens');
  // padding of the embedding differs between sizes of a family
  const [small, large] = [draft.vocabulary, model.vocabulary].sort((a, b) => a - b) as [number, number];
  if (large - small > MAX_PADDING) refuse(`with ${draft.vocabulary} tokens`, `the ${model.vocabulary} tokens`);
  if (!encodeAlike(model, draft)) refuse('encodes texts differently', 'the tokenizer');
}

/** True if both encode texts alike, or one has no tokenizer: then only the caller knows what its ids mean. */
export function encodeAlike(...models: readonly { readonly tokenizer: Tokenizer }[]): boolean {
  const encoded: string[] = [];
  for (const model of models) {
    let tokenizer: Tokenizer;
    try {
      ({ tokenizer } = model);
    } catch {
      return true;
    }
    encoded.push(PROBES.map((text) => tokenizer.encode(text)).join(';'));
  }
  return new Set(encoded).size <= 1;
}

const MAX_PADDING = 1024;
