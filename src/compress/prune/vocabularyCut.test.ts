/** What a cut of the vocabulary must keep besides the tokens of the text. */
import { describe, expect, it } from 'vitest';
import { makeModel } from '../../../scripts/models/index.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { tokenizerFromGguf } from '../../formats/tokenizerFromGguf.ts';
import { createTokenizer } from '../../tokenizer/tokenizer.ts';
import { vocabularyCut } from './vocabularyCut.ts';

type Metadata = Map<string, unknown>;
const TEXT = 'a';

/** The vocabulary of a generated model after an edit, whole and cut. */
async function cutOf(
  architecture: string,
  edit: (metadata: Metadata, tokens: string[]) => void,
  chatTemplate?: string,
) {
  const checkpoint = await openCheckpoint(await makeModel({ architecture, format: 'F32' }));
  const metadata: Metadata = new Map(checkpoint.metadata);
  const tokens = [...(metadata.get('tokenizer.ggml.tokens') as string[])];
  metadata.set('tokenizer.ggml.tokens', tokens);
  edit(metadata, tokens);
  await checkpoint.close();
  const spec = tokenizerFromGguf(metadata, architecture);
  const cut = vocabularyCut({ name: architecture, metadata, tokenizer: spec, chatTemplate }, TEXT);
  const [whole, after] = [spec, tokenizerFromGguf(cut.metadata, architecture)].map(createTokenizer);
  const newIds = new Map(Array.from(cut.kept, (old, id) => [old, id]));
  return { cut, tokens, whole, after, inNew: (ids: Iterable<number>) => Array.from(ids, (id) => newIds.get(id)) };
}

it('tokens that end a generation by their text alone', async () => {
  const { whole, after, inNew } = await cutOf('qwen2', (metadata, tokens) => {
    const types = metadata.get('tokenizer.ggml.token_type') as ArrayLike<number>;
    tokens[Array.from(types).indexOf(5)] = '<|eot_id|>';
    metadata.delete('tokenizer.ggml.token_type');
  });
  expect(whole.endOfGeneration).toContain(whole.find('<|eot_id|>'));
  expect([...after.endOfGeneration]).toEqual(inNew(whole.endOfGeneration));
});

describe('the tokens of chat templates', () => {
  const roles = '{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %} river';

  it.each([
    ['a template', roles],
    [
      'one that refuses system messages',
      `{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}${roles}`,
    ],
  ])('%s', async (_, template) => {
    const { whole, after, inNew } = await cutOf('qwen2', () => {}, template);
    const prompt = '[user]a[assistant]a[user]a river';
    expect(after.encode(prompt)).toEqual(inNew(whole.encode(prompt)));
  });

  it('a template that no conversation fits is left out', async () => {
    const { cut } = await cutOf('qwen2', () => {}, "{{ raise_exception('never') }}");
    expect([...cut.kept]).toEqual([...(await cutOf('qwen2', () => {})).cut.kept]);
  });
});

it.each([
  ['all byte tokens', () => {}, 'removed'],
  ['a missing byte token', (_: Metadata, tokens: string[]) => void (tokens[3 + 0xc3] = 'nothing'), 'kept'],
])('single characters with %s', async (_, edit, state) => {
  const { cut, tokens, whole, after } = await cutOf('llama', edit);
  const single = tokens.flatMap((token, id) => ([...token].length === 1 ? [id] : []));
  expect(single.every((id) => cut.kept.includes(id))).toBe(state === 'kept');
  const text = single.map((id) => tokens[id]).join('');
  expect(after.decode(after.encode(text))).toBe(whole.decode(whole.encode(text)));
});

it('of tokens with the same text, the first', async () => {
  const { cut, tokens, whole, after, inNew } = await cutOf('qwen2', (metadata, all) => {
    const merges = metadata.get('tokenizer.ggml.merges') as string[];
    const [left, right] = merges[0].split(' ');
    const types = Int32Array.from(metadata.get('tokenizer.ggml.token_type') as number[]);
    const copy = types.indexOf(5);
    // the copy is marked as one that stays
    types[copy] = 4;
    all[copy] = left + right;
    metadata.set('tokenizer.ggml.token_type', types);
  });
  const copy = cut.kept.find((id) => tokens.indexOf(tokens[id]) < id)!;
  expect(cut.kept).toContain(tokens.indexOf(tokens[copy]));
  expect([after.find(tokens[copy])]).toEqual(inNew([whole.find(tokens[copy])!]));
});

it('an id outside the vocabulary is refused', async () => {
  const checkpoint = await openCheckpoint(await makeModel({ architecture: 'llama', format: 'F32' }));
  const { metadata, tokenizer } = checkpoint;
  await checkpoint.close();
  const added = [...tokenizer!.added, { id: 600, special: true }];
  expect(() => vocabularyCut({ name: 'a model', metadata, tokenizer: { ...tokenizer!, added } }, TEXT)).toThrow(
    /the token 600 is used, but there are 512 tokens/,
  );
});
