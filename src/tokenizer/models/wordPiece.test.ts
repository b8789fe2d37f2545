import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/random.ts';
import { wordPieceModel } from './wordPiece.ts';

const base = { kind: 'wordpiece', added: [], addBos: false, addEos: false } as const;

/** The definition: the longest token that is a prefix of the rest, again and again. */
function slowly(word: string, ids: ReadonlyMap<string, number>, prefix: string): number[] | undefined {
  const pieces: number[] = [];
  for (let start = 0; start < word.length; ) {
    let end = word.length;
    while (end > start && !ids.has((start > 0 ? prefix : '') + word.slice(start, end))) end--;
    if (end === start) return undefined;
    pieces.push(ids.get((start > 0 ? prefix : '') + word.slice(start, end))!);
    start = end;
  }
  return pieces;
}

describe.each(['##', ''])('WordPiece with the prefix "%s"', (prefix) => {
  it('takes the longest token at each place', () => {
    const random = seededRandom(4);
    const drawn = (most: number) =>
      Array.from({ length: 1 + random.integer(most) }, () => 'ab#'[random.integer(3)]).join('');
    const texts = new Set([
      'a',
      'b',
      ...Array.from({ length: 40 }, () => (random.integer(2) ? prefix : '') + drawn(5)),
    ]);
    const ids = new Map([...texts].map((text, id) => [text, id]));
    const model = wordPieceModel({ ...base, tokens: [...texts], continuingPrefix: prefix, unknown: 99 }, ids);
    for (let i = 0; i < 200; i++) {
      const word = drawn(12);
      const found: number[] = [];
      model.encode(word, found);
      expect(found, word).toEqual(slowly(word, ids, prefix) ?? [99]);
    }
  });

  it('visits a word once, however long the longest token is', () => {
    const long = `a${'b'.repeat(50_000)}`;
    const texts = ['a', `${prefix}a`, long, prefix + long];
    const spec = {
      ...base,
      tokens: texts,
      continuingPrefix: prefix,
      maxWordLength: 1 << 20,
    } as const;
    const found: number[] = [];
    wordPieceModel(spec, new Map(texts.map((text, id) => [text, id]))).encode('a'.repeat(100_000), found);
    expect(found).toHaveLength(100_000);
  });
});
