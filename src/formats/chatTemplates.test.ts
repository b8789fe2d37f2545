import { describe, expect, it } from 'vitest';
import { createChatTemplate } from '../tokenizer/chatTemplate.ts';
import {
  chatTemplatesFromConfig,
  chatTemplatesFromFolder,
  chatTemplatesFromGguf,
  chatTemplatesToGguf,
} from './chatTemplates.ts';

const folder = { name: 'folder', open: async () => undefined };
const inFolder = (files: Readonly<Record<string, string>>) =>
  chatTemplatesFromFolder(folder, async (_, file) => files[file]);

describe('chat templates of a model', () => {
  it('of tokenizer_config.json are one, or several by name', () => {
    expect(chatTemplatesFromConfig('source')).toBe('source');
    expect(chatTemplatesFromConfig([{ name: 'default', template: 'source' }])).toBe('source');
    const listed = [
      { name: 'default', template: 'a' },
      { name: 'tool_use', template: 'b' },
    ];
    expect(chatTemplatesFromConfig(listed)).toEqual({ default: 'a', tool_use: 'b' });
    for (const none of [undefined, null, 5, [], [{ name: 'x' }]]) expect(chatTemplatesFromConfig(none)).toBeUndefined();
  });

  it('of a folder are chat_template.jinja and those beside it', async () => {
    expect(await inFolder({})).toBeUndefined();
    expect(await inFolder({ 'chat_template.jinja': 'a' })).toBe('a');
    const files = { 'chat_template.jinja': 'a', 'additional_chat_templates/tool_use.jinja': 'b' };
    expect(await inFolder(files)).toEqual({ default: 'a', tool_use: 'b' });
  });

  it.each([['source'], [{ default: 'a', tool_use: 'b', rag: 'c' }], [{ tool_use: 'b' }]])(
    'survive GGUF: %o',
    (source) => {
      const written = chatTemplatesToGguf(source).map(([key, value]) => {
        const isList = typeof value === 'object' && 'value' in value;
        return [key, isList ? value.value : value] as const;
      });
      expect(chatTemplatesFromGguf(new Map(written))).toEqual(source);
    },
  );

  it('are chosen as transformers chooses: tool_use for tools, by name, or by default', () => {
    const template = createChatTemplate({ default: 'default', tool_use: 'tool_use', rag: 'rag' });
    expect(template.render([])).toBe('default');
    expect(template.render([], { tools: [] })).toBe('tool_use');
    expect(template.render([], { tools: [], template: 'rag' })).toBe('rag');
    expect(template.render([], { template: '{{ 1 }}' })).toBe('1');
    expect(() => template.render([], { template: 'nosuch' })).toThrow('one of default, tool_use, rag');
    const without = createChatTemplate({ tool_use: 'tool_use', rag: 'rag' });
    expect(() => without.render([])).toThrow('one of tool_use, rag, as there is no default');
  });
});
