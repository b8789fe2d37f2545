import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../test/sharedData.ts';
import { UnsupportedError } from '../core/errors.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { trainByteLevelBpe } from '../tokenizer/training/byteLevelBpe.ts';
import { characterTokenizer } from '../tokenizer/training/characters.ts';
import { openGguf } from './gguf/checkpoint.ts';
import { readGguf } from './gguf/read.ts';
import { ggufBytes } from './gguf/write.ts';
import { memorySource } from './sources/memory.ts';
import { tokenizerFromHuggingFace } from './tokenizerFromHuggingFace.ts';
import { tokenizerToGguf } from './tokenizerToGguf.ts';

async function throughGguf(spec: TokenizerSpec, chatTemplate?: string) {
  const metadata = [['general.architecture', 'llama'] as const, ...tokenizerToGguf(spec, chatTemplate)];
  return openGguf(memorySource(await ggufBytes({ metadata, tensors: [] })));
}

/** What is absent is undefined in one and missing in the other; a GGUF file's tokenizer follows llama.cpp's rules. */
const compact = (spec: TokenizerSpec) =>
  JSON.parse(JSON.stringify({ ...spec, stripped: undefined, addedVerbatim: undefined }));

describe('a tokenizer that goes through GGUF', () => {
  it('is the same when it was trained', async () => {
    const text = 'the theme of the thesis, 😀 naïve';
    const bpe = await trainByteLevelBpe([text], { size: 290, special: ['<|endoftext|>', '<|user|>'] });
    const characters = await characterTokenizer([text]);
    for (const spec of [bpe, characters]) {
      const file = await throughGguf(spec, '{{ messages }}');
      expect(compact(file.tokenizer!)).toEqual(compact(spec));
      expect(file.chatTemplate).toBe('{{ messages }}');
    }
    const tokenizer = createTokenizer((await throughGguf(bpe)).tokenizer!);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (any) => {
        expect(tokenizer.decode(tokenizer.encode(any, { special: false }))).toBe(any);
      }),
      { seed: 1 },
    );
  });

  it('of characters without multi-byte ones has no merges, and is read', async () => {
    const file = await throughGguf(await characterTokenizer(['abc']));
    expect(createTokenizer(file.tokenizer!).encode('cab')).toEqual([2, 0, 1]);
  });

  const folder = 'weights/chat-3m';
  const chat = sharedData(`${folder}/tokenizer.json`);
  it.skipIf(!chat)('gives the same ids when it came from a folder', async () => {
    const json = (file: string) => JSON.parse(readFileSync(sharedData(`${folder}/${file}`)!, 'utf8'));
    const spec = tokenizerFromHuggingFace(
      { tokenizer: json('tokenizer.json'), tokenizerConfig: json('tokenizer_config.json') },
      'chat-3m',
    );
    const before = createTokenizer(spec);
    const after = createTokenizer((await throughGguf(spec)).tokenizer!);
    expect([after.bos, after.eos, after.addBos]).toEqual([before.bos, before.eos, before.addBos]);
    for (const text of ['User: Hi!\nBot: Hello, you.<|endoftext|>', ' a  b\n\n c', 'naïve 123'])
      expect(after.encode(text)).toEqual(before.encode(text));
  });

  const vocabulary = sharedData('tokenizers/llama.cpp-vocabs/ggml-vocab-llama-spm.gguf');
  it.skipIf(!vocabulary)('is the same when it is one of characters with scores', async () => {
    const source = memorySource(new Uint8Array(readFileSync(vocabulary!)));
    const spec = (await openGguf(source)).tokenizer!;
    expect(compact((await throughGguf(spec)).tokenizer!)).toEqual(compact(spec));
    const types = (await readGguf(source)).metadata.get('tokenizer.ggml.token_type');
    expect(new Map(tokenizerToGguf(spec) as [string, unknown][]).get('tokenizer.ggml.token_type')).toEqual(types);
  });

  it('is refused where GGUF has no key for what it does', async () => {
    const spec = await characterTokenizer(['abc']);
    const changes: Partial<TokenizerSpec>[] = [
      { normalizer: [{ type: 'form', form: 'NFKC' }] },
      { preTokenizer: [{ pattern: 'x' }] },
      { merges: undefined },
      { kind: 'unigram' },
      { kind: 'spm' },
    ];
    for (const change of changes) expect(() => tokenizerToGguf({ ...spec, ...change })).toThrow(UnsupportedError);
  });
});
