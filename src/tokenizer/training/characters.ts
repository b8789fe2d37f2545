/** A tokenizer whose tokens are characters, as nanoGPT's for Shakespeare: small, and quick to learn with. */
import { toByteLetters } from '../byteAlphabet.ts';
import type { TokenizerSpec } from '../spec.ts';

export interface CharacterTokenizerOptions {
  /** Texts of special tokens; the first is both BOS and EOS. They follow the characters. */
  readonly special?: readonly string[];
}

/**
 * One token for each different character (code point) of the text, in their order, so that the ids are nanoGPT's. Other
 * characters cannot be said with it: encoding leaves them out.
 *
 * It is a byte-level BPE whose merges put the bytes of one character together and nothing else, which GGUF can hold.
 */
export async function characterTokenizer(
  texts: AsyncIterable<string> | Iterable<string>,
  { special = [] }: CharacterTokenizerOptions = {},
): Promise<TokenizerSpec> {
  const found = new Set<string>();
  for await (const text of texts) {
    // special tokens are no characters of the text
    const plain = special.reduce((rest, token) => rest.replaceAll(token, ''), text);
    for (const character of plain) found.add(character);
  }
  const characters = [...found].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!).map(toByteLetters);
  const merges = new Set<string>();
  for (const letters of characters) {
    for (let end = 1; end < letters.length; end++) merges.add(`${letters.slice(0, end)} ${letters[end]}`);
  }
  const first = special.length > 0 ? characters.length : undefined;
  return {
    kind: 'bpe',
    tokens: [...characters, ...special],
    merges: [...merges],
    preTokenizer: 'gpt-2',
    added: special.map((_, index) => ({ id: characters.length + index, special: true })),
    bos: first,
    eos: first,
    addBos: first !== undefined,
    addEos: false,
  };
}
