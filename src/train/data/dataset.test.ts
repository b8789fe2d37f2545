import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheStore } from '#leaf/formats/download/store';
import { fileSource } from '#leaf/formats/sources/path';
import { sharedData } from '../../../test/sharedData.ts';
import { FormatError, SourceError } from '../../core/errors.ts';
import type { ByteSource } from '../../formats/byteSource.ts';
import { memorySource } from '../../formats/sources/memory.ts';
import { createTokenizer } from '../../tokenizer/tokenizer.ts';
import { trainByteLevelBpe } from '../../tokenizer/training/byteLevelBpe.ts';
import { characterTokenizer } from '../../tokenizer/training/characters.ts';
import { type DatasetOptions, openDataset } from './dataset.ts';
import { readTokenFile, writeTokenFile } from './tokenFile.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-dataset-'));
});
afterAll(() => rm(folder, { recursive: true }));

const text = (content: string, name = 'a.txt') => ({
  weight: 1,
  open: async () => memorySource(new TextEncoder().encode(content), name),
});

const alphabet = 'abcdefghijklmnopqrstuvwxyz';
const letters = await characterTokenizer([alphabet]);
const endless = await characterTokenizer([alphabet], { special: ['<|end|>'] });
const END = 26;

const options = (changes: Partial<DatasetOptions>): DatasetOptions => ({
  texts: [text(alphabet.repeat(10))],
  sampling: 'windows',
  sequence: 5,
  batch: 3,
  tokenizer: letters,
  store: cacheStore(folder),
  seed: 1,
  ...changes,
});

const lettersOf = (ids: Iterable<number>) => [...ids].map((id) => alphabet[id] ?? (id < 0 ? '-' : '.')).join('');

describe('batches', () => {
  it('of windows are substrings of the text, each target the next letter', async () => {
    const data = await openDataset(options({ heldOut: 0.1 }));
    const starts = new Set<number>();
    for (let index = 0; index < 200; index++) {
      const { tokens, targets, learned } = await data.batch(index);
      expect(learned).toBe(15);
      for (let i = 0; i < 15; i++) expect(targets[i]).toBe((tokens[i] + 1) % 26);
      for (let i = 0; i < 3; i++) {
        starts.add(tokens[5 * i]);
        for (let at = 1; at < 5; at++) expect(tokens[5 * i + at]).toBe((tokens[5 * i] + at) % 26);
      }
    }
    expect(starts.size).toBe(26);
    expect([data.tokens, data.bytesPerToken]).toEqual([234, 1]);
    await data.close();
  });

  it('depend only on the seed and their index', async () => {
    for (const sampling of ['windows', 'documents'] as const) {
      const texts = [
        { ...text('one two three four five six', 'a.txt'), separator: ' ', weight: 2 },
        { ...text('seven eight nine ten eleven twelve', 'b.txt'), separator: ' ' },
      ];
      const open = (seed: number) => openDataset(options({ texts, sampling, seed, tokenizer: endless }));
      const first = await open(1);
      const inOrder = await Promise.all(Array.from({ length: 40 }, (_, i) => first.batch(i)));
      const again = await open(1);
      for (const index of [39, 7, 20, 0, 38]) expect(await again.batch(index)).toEqual(inOrder[index]);
      expect(again.fingerprint).toBe(first.fingerprint);
      const other = await open(2);
      expect(await Promise.all(inOrder.map((_, i) => other.batch(i)))).not.toEqual(inOrder);
    }
  });

  it('of documents contain whole documents, each once per epoch', async () => {
    const words = 'one three five seven nine eleven thirteen'.split(' ');
    const texts = [{ ...text(words.join('\n\n')), separator: '\n\n' }];
    const data = await openDataset(
      options({ texts, sampling: 'documents', sequence: 12, batch: 1, tokenizer: endless }),
    );
    const onlyLetters = (round: readonly string[]) => round.join('').replace(/[^a-z]/g, '');
    const rounds: string[][] = [[], []];
    let index = 0;
    for (const round of rounds) {
      while (onlyLetters(round).length < words.join('').length) {
        const { tokens, targets, learned } = await data.batch(index++);
        // BOS is never learned
        expect([...targets].filter((id) => id >= 0)).toHaveLength(learned);
        round.push(`${lettersOf(tokens.subarray(0, 1))}${lettersOf(targets)}`);
      }
    }
    for (const round of rounds) {
      const found = round.join().match(/[a-z]+/g)!;
      expect(found.sort()).toEqual(words.toSorted());
    }
    expect(rounds[0].toSorted()).toEqual(rounds[1].toSorted());
  });

  it('of documents end with one EOS and are padded without targets', async () => {
    const texts = [{ ...text('ab<|end|>'), separator: '\n' }];
    const data = await openDataset(
      options({ texts, sampling: 'documents', sequence: 5, batch: 1, tokenizer: endless }),
    );
    const { tokens, targets } = await data.batch(0);
    expect([...tokens]).toEqual([END, 0, 1, END, 0]);
    expect([...targets]).toEqual([0, 1, END, -1, -1]);
  });

  it('have targets only in the parts that `learn` selects', async () => {
    const texts = [{ ...text('ask me<|end|>\nbot say so<|end|>', 'a.txt'), learn: { after: 'bot', until: '<|end|>' } }];
    const tokenizer = await trainByteLevelBpe(['bot', 'ask', 'say'], { size: 260, special: ['<|end|>'] });
    const data = await openDataset(options({ texts, sampling: 'documents', sequence: 40, batch: 1, tokenizer }));
    const { targets } = await data.batch(0);
    const decoded = createTokenizer(tokenizer).decode(
      [...targets].filter((id) => id >= 0),
      { special: true },
    );
    expect(decoded).toBe(' say so<|end|>');
  });
});

describe('held-out text', () => {
  it("is the last tenth in consecutive windows, the same characters as nanoGPT's", async () => {
    const data = await openDataset(options({ heldOut: 0.1 }));
    const [{ batches, name }] = data.heldOut;
    expect([name, batches.count]).toEqual(['a.txt', 2]);
    expect(lettersOf((await batches.at(0)).tokens)).toBe(alphabet.slice(0, 15));
    // 26 letters are five windows of five and their targets
    expect(lettersOf((await batches.at(1)).targets)).toBe('qrstuvwxyz-----');
  });

  it('is limited to evenly spaced batches, the same each time', async () => {
    const data = await openDataset(options({ heldOut: 0.5, evaluationBatches: 2, batch: 1 }));
    const [{ batches }] = data.heldOut;
    expect(batches.count).toBe(2);
    // 25 windows: the first and the one in the middle
    expect(lettersOf((await batches.at(0)).tokens)).toBe('abcde');
    expect((await batches.at(1)).tokens[0]).toBe(60 % 26);
    expect(await batches.at(1)).toEqual(await batches.at(1));
  });

  it('is the documents after the split, or separate texts', async () => {
    const texts = [{ ...text('aa bb cc dd ee ff gg hh ii jj'), separator: ' ' }];
    const shared = { texts, sampling: 'documents', batch: 20, tokenizer: endless } as const;
    const split = await openDataset(options({ ...shared, heldOut: 0.2 }));
    expect(
      lettersOf((await split.heldOut[0].batches.at(0)).targets)
        .match(/[a-z]/g)!
        .sort()
        .join(''),
    ).toBe('iijj');
    const own = await openDataset(options({ ...shared, heldOut: [{ ...text('zz', 'z.txt'), weight: 2 }] }));
    expect(own.heldOut.map(({ name, weight }) => [name, weight])).toEqual([['z.txt', 2]]);
    expect(own.tokens).toBe(40);
  });

  const shakespeare = sharedData('text/tinyshakespeare.txt');
  it.skipIf(!shakespeare)("of Shakespeare is nanoGPT's validation text", async () => {
    const content = await readFile(shakespeare!, 'utf8');
    const tokenizer = await characterTokenizer([content]);
    const texts = [{ weight: 1, open: () => fileSource(shakespeare!) }];
    const data = await openDataset(options({ texts, tokenizer, heldOut: 0.1, sequence: 64, batch: 12 }));
    expect(data.tokens).toBe(1_003_854);
    const { tokens } = await data.heldOut[0].batches.at(0);
    expect(createTokenizer(tokenizer).decode(tokens.subarray(0, 64))).toBe(content.slice(1_003_854, 1_003_918));
    await data.close();
  });
});

describe('cached tokens', () => {
  it('are computed once, and again if text, tokenizer or rules change', async () => {
    const own = await mkdtemp(join(folder, 'cache-'));
    const store = cacheStore(own);
    const files = async () => (await readdir(join(own, 'tokens'))).length;
    const content = 'some words and some more words';
    const tokenizer = await trainByteLevelBpe([content], { size: 260 });
    const base = { store, tokenizer, texts: [text(content)] };
    let read = 0;
    const counting = (source: ByteSource): ByteSource => ({
      ...source,
      read: (...args) => {
        read++;
        return source.read(...args);
      },
    });
    const counted = [{ weight: 1, open: async () => counting(await text(content).open()) }];
    await openDataset(options({ ...base, texts: counted }));
    const before = read;
    await openDataset(options({ ...base, texts: counted }));
    expect([await files(), read - before]).toEqual([1, before - 1]);
    await openDataset(options({ ...base, texts: [text(`${content}.`)] }));
    expect(await files()).toBe(2);
    await openDataset(options({ ...base, tokenizer: { ...tokenizer, merges: [] } }));
    expect(await files()).toBe(3);
    await openDataset(options({ ...base, texts: [{ ...text(content), separator: 'and' }] }));
    expect(await files()).toBe(4);
  });

  it('are rejected if the file is damaged, and the error names it', async () => {
    const own = await mkdtemp(join(folder, 'cache-'));
    await openDataset(options({ store: cacheStore(own) }));
    const [file] = await readdir(join(own, 'tokens'));
    await truncate(join(own, 'tokens', file), 100);
    const error = await openDataset(options({ store: cacheStore(own) })).catch((error) => error);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(/\.tokens: ends with .* it is not a token file, or damaged; delete it/);
  });

  it('report that they cannot be stored', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const store = { ...cacheStore(folder), open: async () => undefined, fill: () => Promise.reject(full) };
    const error = await openDataset(options({ store })).catch((error) => error);
    expect(error).toBeInstanceOf(SourceError);
    expect(error.message).toMatch(
      /^a\.txt: its tokens cannot be stored in the cache: ENOSPC.*free some space or use another/,
    );
  });

  it('can be large ids, and mutated files throw typed errors', async () => {
    const parts: Uint8Array[] = [];
    const writer = writeTokenFile(100_000, async (bytes) => void parts.push(bytes.slice()));
    await writer.add([99_999, 0, 40_000], [true, false, true]);
    writer.endDocument();
    await writer.finish(12);
    const bytes = new Uint8Array(Buffer.concat(parts));
    const file = await readTokenFile(memorySource(bytes), 'a.txt');
    const ids = new Int32Array(3);
    const learned = new Uint8Array(3);
    await file.read(0, ids, learned);
    expect([[...ids], [...learned], [...file.documentEnds], file.textBytes]).toEqual([
      [99_999, 0, 40_000],
      [1, 0, 1],
      [3],
      12,
    ]);
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const mutated = bytes.slice();
        mutated[at] = value;
        try {
          const found = await readTokenFile(memorySource(mutated), 'a.txt');
          await found.read(0, ids, learned);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }
  });
});

describe('an unusable text is an error with advice', () => {
  const failed = (changes: Partial<DatasetOptions>) => openDataset(options(changes)).catch((error) => error);

  it('if it is shorter than a sequence', async () => {
    const error = await failed({ texts: [text('abcde')] });
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toBe(
      'a.txt: has 5 tokens, but a sequence of 5 needs 6: add text, reduce data.sequence, or hold out less',
    );
    expect((await failed({ texts: [text('abcde'.repeat(5))], heldOut: 0.1 })).message).toMatch(/has 3 tokens/);
    const separated = { ...text('abcde'.repeat(5)), separator: '<|end|>' };
    expect((await failed({ texts: [separated], sampling: 'documents', heldOut: 0.1 })).message).toMatch(
      'its separator "<|end|>" does not occur',
    );
    expect((await failed({ sampling: 'documents', heldOut: 0.1 })).message).toMatch(/has 0 tokens/);
  });

  it('if it does not exist, or shrinks while it is read', async () => {
    const missing = join(folder, 'missing.txt');
    const error = await failed({ texts: [{ weight: 1, open: () => fileSource(missing) }] });
    expect([error.constructor, error.message]).toEqual([SourceError, `${missing}: no such file`]);
    const path = join(folder, 'shrinks.txt');
    await writeFile(path, alphabet.repeat(1000));
    const open = async () => {
      const source = await fileSource(path);
      await truncate(path, 100);
      return source;
    };
    expect(await failed({ texts: [{ weight: 1, open }] })).toBeInstanceOf(FormatError);
  });

  it('if it changes while it is read', async () => {
    let reads = 0;
    const open = async (): Promise<ByteSource> => {
      const source = memorySource(new TextEncoder().encode(alphabet.repeat(100)), 'a.txt');
      return {
        ...source,
        async read(offset, length, into) {
          await source.read(offset, length, into);
          if (reads++ > 0) into[3] = 0x61;
        },
      };
    };
    const error = await failed({ texts: [{ weight: 1, open }] });
    expect([error.constructor, error.message]).toEqual([
      SourceError,
      'a.txt: the file changed while it was read; start again when no other program writes to it',
    ]);
  });
});
