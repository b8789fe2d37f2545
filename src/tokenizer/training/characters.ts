/** Creates a character-level tokenizer, as nanoGPT's for Shakespeare: small, and fast to train models with. */
import { toByteLetters } from '../byteAlphabet.ts';
import type { TokenizerSpec } from '../spec.ts';

export interface CharacterTokenizerOptions {
  /** Texts of special tokens; the first is both BOS and EOS. They follow the characters. */
  readonly special?: readonly string[];
}

/**
 * Creates a token for each distinct code point of the text, in ascending order, so that ids equal nanoGPT's. Encoding drops
 * other characters.
 *
 * The result is a byte-level BPE, which GGUF can represent. Its merges only join the bytes of a character.
 */
export async function characterTokenizer(
  texts: AsyncIterable<string> | Iterable<string>,
  { special = [] }: CharacterTokenizerOptions = {},
): Promise<TokenizerSpec> {
  const found = new Set<string>();
  for await (const text of texts) {
    // special tokens do not count as characters of the text
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
