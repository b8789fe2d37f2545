/** Trains a byte-level BPE tokenizer, like GPT-2's, on a text. */
import { OptionError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { createAddedTokens } from '../addedTokens.ts';
import { letterOfByte } from '../byteAlphabet.ts';
import { createWordSplitter } from '../preTokenizer.ts';
import type { TokenizerSpec } from '../spec.ts';
import { learnMerges } from './learnMerges.ts';
import { countWords } from './wordCounts.ts';

export interface TrainTokenizerOptions {
  /** Vocabulary size: special tokens, 256 bytes, and merges. The result is smaller if the text runs out of pairs. */
  readonly size: number;
  /** Texts of special tokens, with ids from 0. The first is both BOS and EOS. */
  readonly special?: readonly string[];
  /** Reports the number of created tokens. */
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

const PRE_TOKENIZER = 'gpt-2';
/** Maximum milliseconds of work before yielding to the event loop, where aborts arrive. */
const TURN = 50;

/**
 * Token ids: special tokens, the 256 bytes in the order of GPT-2's vocabulary (printable ones first), then one token per
 * merge. Ties between pairs go to the greater bytes, as in Stanford's CS336 reference. The result is deterministic and
 * does not depend on how the text is split into pieces.
 * @param texts pieces of the text; words must not cross them
 * @throws {OptionError} for a size below that of the special tokens and bytes
 */
export async function trainByteLevelBpe(
  texts: AsyncIterable<string> | Iterable<string>,
  options: TrainTokenizerOptions,
): Promise<TokenizerSpec> {
  const { size, special = [], onProgress, signal } = options;
  const base = [...special, ...letterOfByte.toSorted()];
  if (!Number.isSafeInteger(size) || size < base.length) {
    throw new OptionError(
      'size of the tokenizer',
      size,
      `a whole number of at least ${base.length}: bytes and specials`,
    );
  }
  const added = special.map((_, id) => ({ id, special: true }));
  const words = countWords(
    createWordSplitter(PRE_TOKENIZER),
    createAddedTokens(added, (id) => special[id]),
  );
  signal?.throwIfAborted();
  const pause = turnTaker(signal);
  for await (const text of texts) {
    words.add(text);
    await pause();
  }

  /** Text of each symbol, in the byte alphabet. */
  const letters = [...letterOfByte];
  const merges: string[] = [];
  const learned = learnMerges(asBytes(words.counts));
  while (base.length + merges.length < size) {
    const { value: merge } = learned.next();
    if (!merge) break;
    const [left, right] = merge;
    letters.push(letters[left] + letters[right]);
    merges.push(`${letters[left]} ${letters[right]}`);
    onProgress?.({ stage: 'train tokenizer', done: base.length + merges.length, total: size, unit: 'tokens' });
    await pause();
  }
  const first = special.length > 0 ? 0 : undefined;
  return {
    kind: 'bpe',
    tokens: [...base, ...letters.slice(256)],
    merges,
    preTokenizer: PRE_TOKENIZER,
    added,
    bos: first,
    eos: first,
    addBos: first !== undefined,
    addEos: false,
  };
}

/** Converts words to the input of `learnMerges`. */
function* asBytes(counts: ReadonlyMap<string, number>): Generator<[string, number]> {
  const encoder = new TextEncoder();
  for (const [word, count] of counts) {
    let bytes = '';
    for (const byte of encoder.encode(word)) bytes += String.fromCharCode(byte);
    yield [bytes, count];
  }
}

/** Returns a function that yields to the event loop when due. @throws the signal's reason */
function turnTaker(signal?: AbortSignal): () => Promise<void> | undefined {
  let last = performance.now();
  return () => {
    if (performance.now() - last < TURN) return undefined;
    return new Promise((resolve) => setTimeout(resolve)).then(() => {
      signal?.throwIfAborted();
      last = performance.now();
    });
  };
}
