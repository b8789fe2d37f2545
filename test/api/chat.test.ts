import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { readGguf } from '../../src/formats/gguf/read.ts';
import { ggufBytes } from '../../src/formats/gguf/write.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { type ChatMessage, ContextError, load, OptionError, UnsupportedError } from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

test("a conversation uses the model's template, and each turn reuses the cache of the previous one", async () => {
  const model = await load(await tinyModel('smollm2'), { context: 512 });
  expect(model.summary.chatTemplate).toBe(true);
  const session = model.session();
  const messages = [{ role: 'user', content: 'Which tree grows flat?' }];
  const first = await session.generate(messages, { maxTokens: 8 }).result;
  const rendered = '<|im_start|>user\nWhich tree grows flat?<|im_end|>\n<|im_start|>assistant\n';
  expect(session.tokens.slice(0, first.promptTokens)).toEqual(model.tokenizer.encode(rendered));

  const longer = [...messages, { role: 'assistant', content: first.text }, { role: 'user', content: 'And then?' }];
  const second = await session.generate(longer, { maxTokens: 8 }).result;
  expect(second.reusedTokens).toBeGreaterThanOrEqual(first.promptTokens);
  model.dispose();
});

test('a model without a template gets a plain one, after BOS if the model adds BOS', async () => {
  const model = await load(await tinyModel(), { context: 512 });
  expect(model.summary.chatTemplate).toBe(false);
  const session = model.session();
  await session.generate([{ role: 'user', content: 'Hello' }], { maxTokens: 1 }).result;
  expect(session.tokens[0]).toBe(model.tokenizer.bos);
  expect(model.tokenizer.decode(session.tokens)).toContain('<|im_start|>user\nHello<|im_end|>');
  model.dispose();
});

/** The tiny Llama, whose vocabulary wants BOS, with a template. */
async function modelWith(template: string, context = 512) {
  const bytes = await tinyModel();
  const source = memorySource(bytes, 'tiny.gguf');
  const { metadata, tensors } = await readGguf(source);
  const written = await ggufBytes({
    metadata: new Map([...metadata, ['tokenizer.chat_template', template]]) as never,
    tensors: await Promise.all(
      [...tensors.values()].map(async (tensor) => {
        const data = new Uint8Array(tensor.byteLength);
        await tensor.read(0, data);
        return { name: tensor.name, format: tensor.format, shape: tensor.shape, data };
      }),
    ),
  } as never);
  return load(written, { context });
}

const user = (content: unknown): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });

describe('renderPrompt', () => {
  it('shows what a session continues, and countTokens its length', async () => {
    const model = await load(await tinyModel('smollm2'), { context: 512 });
    const messages = [user('Hi')];
    const prompt = model.renderPrompt(messages);
    expect(prompt).toBe('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n');
    const { promptTokens } = await model.session().generate(messages, { maxTokens: 0 }).result;
    expect(model.countTokens(messages)).toBe(promptTokens);
    expect(model.countTokens('Hi')).toBe(model.tokenizer.encode('Hi').length);
    expect(model.renderPrompt(messages, { addGenerationPrompt: false })).toBe('<|im_start|>user\nHi<|im_end|>\n');
    const open = [...messages, assistant('Once upon')];
    expect(model.renderPrompt(open, { continueFinalMessage: true })).toMatch(/<\|im_start\|>assistant\nOnce upon$/);
    model.dispose();
  });

  it('passes tools, documents and variables to the template', async () => {
    const source =
      '{{ tools | tojson }}|{{ documents[0].title }}|{{ enable_thinking }}|{{ messages[0].content }}|{{ bos_token }}';
    const model = await modelWith(source);
    const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object' } } } as const;
    const options = { tools: [tool], documents: [{ title: 'T' }], templateVariables: { enable_thinking: false } };
    expect(model.renderPrompt([user('Hi')], options)).toBe(`${pythonJson([tool])}|T|False|Hi|<s>`);
    const session = model.session();
    const { promptTokens } = await session.generate([user('Hi')], { ...options, maxTokens: 0 }).result;
    expect(promptTokens).toBe(model.countTokens([user('Hi')], options));
    expect(() => session.generate('text', { tools: [tool] })).toThrow('tools is given, expected a prompt of messages');
    expect(() => session.generate([user('Hi')], { tools: 'f' as never })).toThrow(OptionError);
    model.dispose();
  });

  it('adds no BOS to what the template writes', async () => {
    const count = async (source: string) => {
      const model = await modelWith(source);
      const session = model.session();
      await session.generate([user('Hi')], { maxTokens: 0 }).result;
      const { bos } = model.tokenizer;
      const found = session.tokens.filter((id) => id === bos).length;
      model.dispose();
      return found;
    };
    expect(await count('{{ bos_token }}{{ messages[0].content }}')).toBe(1);
    expect(await count('{{ messages[0].content }}')).toBe(0);
  });

  it('a template that is not valid is an error of conversations only', async () => {
    const model = await modelWith('{% if %}');
    expect(() => model.renderPrompt([user('Hi')])).toThrow(/chat template, line 1: /);
    await model.session().generate('text', { maxTokens: 1 }).result;
    model.dispose();
  });
});

describe('messages', () => {
  const text = '{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% endfor %}';
  const parts =
    '{% for m in messages %}{% for p in m.content %}{% if p.type == "text" %}<{{ p.text }}>{% endif %}{% endfor %}{% endfor %}';

  it('of text parts are joined, unless the template takes parts', async () => {
    const content = [
      { type: 'text', text: 'One' },
      { type: 'text', text: 'two' },
    ];
    const plain = await modelWith(text);
    expect(plain.renderPrompt([user(content)])).toBe('[user: One\ntwo]');
    const listing = await modelWith(parts);
    expect(listing.renderPrompt([user(content)])).toBe('<One><two>');
    expect(listing.renderPrompt([user('Hi')])).toBe('<Hi>');
    for (const model of [plain, listing]) model.dispose();
  });

  it('may lack content where they have something else, and null fields are absent', async () => {
    const model = await modelWith(
      '{% for m in messages %}{{ m.content is defined }}{{ m.tool_calls is defined }}{{ m.reasoning_content }};{% endfor %}',
    );
    const call = { function: { name: 'f', arguments: {} } };
    const messages = [
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', content: '1', name: null },
      { role: 'assistant', reasoning: 'Hm' },
    ];
    expect(model.renderPrompt(messages)).toBe('FalseTrue;TrueFalse;FalseFalseHm;');
    model.dispose();
  });

  it.each([
    ['no role', [user('Hi'), { content: 'x' } as never], 'messages[1].role is missing'],
    ['no content', [user('Hi'), { role: 'assistant' }], 'messages[1].content is missing'],
    ['null', [{ role: 'user', content: null }], 'messages[0].content is null'],
    ['a number', [user(5)], 'messages[0].content is 5'],
    ['a part without text', [user([{ type: 'text' }])], 'messages[0].content[0].text is missing'],
    ['no message at all', [user('Hi'), null as never], 'messages[1] is null'],
  ])('with %s are refused by the message and its field', async (_, messages, message) => {
    const model = await modelWith(text);
    expect(() => model.renderPrompt(messages)).toThrow(OptionError);
    expect(() => model.session().generate(messages)).toThrow(message);
    model.dispose();
  });

  it('with images are refused by name', async () => {
    const model = await modelWith(text);
    const image = user([
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url: 'data:' } },
    ]);
    expect(() => model.renderPrompt([image])).toThrow(UnsupportedError);
    expect(() => model.renderPrompt([image])).toThrow(/messages\[0\]\.content\[1\]: a part of type image_url/);
    model.dispose();
  });
});

describe('a conversation that outgrows the context', () => {
  const turns = Array.from({ length: 12 }, (_, i) => [user(`Question ${i}?`), assistant(`Answer ${i}.`)]).flat();
  const messages = [{ role: 'system', content: 'Be brief.' }, ...turns, user('Last?')];

  it('is an error with the numbers', async () => {
    const model = await load(await tinyModel('smollm2'), { context: 128 });
    expect(() => model.session().generate(messages)).toThrow(ContextError);
    expect(model.countTokens(messages)).toBeGreaterThan(128);
    model.dispose();
  });

  it('loses its oldest exchanges where asked to, and tells how many messages', async () => {
    const model = await load(await tinyModel('smollm2'), { context: 128 });
    const session = model.session();
    const result = await session.generate(messages, { overflow: 'dropOldest', maxTokens: 8 }).result;
    expect(result.droppedMessages).toBeGreaterThan(0);
    expect(result.droppedMessages % 2).toBe(0);
    expect(result.promptTokens).toBeLessThanOrEqual(120);
    const prompt = model.tokenizer.decode(session.tokens, { special: true });
    expect(prompt).toContain('Be brief.');
    expect(prompt).toContain('Last?');
    expect(prompt).not.toContain('Question 0?');
    const kept = await session.generate([user('Hi')], { overflow: 'dropOldest', maxTokens: 1 }).result;
    expect(kept.droppedMessages).toBe(0);
    const long = [user('word '.repeat(200))];
    expect(() => session.generate(long, { overflow: 'dropOldest' })).toThrow(/the last exchange and the instructions/);
    model.dispose();
  });
});

test('the model that ships answers text parts as it answers text', async () => {
  const model = await load(readFileSync(new URL('../../models/sapling.gguf', import.meta.url)));
  expect(model.renderPrompt([user([{ type: 'text', text: 'hi' }])])).toBe(model.renderPrompt([user('hi')]));
  model.dispose();
});

function pythonJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/([,:])(?=["{])/g, '$1 ');
}
