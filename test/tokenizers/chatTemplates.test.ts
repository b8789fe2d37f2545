/** Chat templates and Jinja cases published by others. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ChatMessage, ChatTemplateError, createChatTemplate } from '../../src/tokenizer/chatTemplate.ts';
import { sharedData } from '../sharedData.ts';

const conversations = sharedData('vectors/jinja/hfjs-chat-templates-e2e.json');
const cases = sharedData('vectors/jinja/hfjs-template-cases.json');
const templates = sharedData('vectors/chat-templates');

/** What @huggingface/jinja 0.5 cannot do, and Jinja2 can; each with its reason. */
const packageFails: Readonly<Record<string, string>> = {
  // the filter `string` of a mapping
  'Apriel-1.6-15b-Thinker-fixed.jinja tools': 'Unknown ObjectValue filter: string',
  'Apriel-1.6-15b-Thinker-fixed.jinja calls': 'Unknown ObjectValue filter: string',
  'unsloth-Apriel-1.5.jinja tools': 'Unknown ObjectValue filter: string',
  'unsloth-Apriel-1.5.jinja calls': 'Unknown ObjectValue filter: string',
  // numbers as keys of a mapping
  'ByteDance-Seed-OSS.jinja simple': 'Object keys must be strings: got IntegerValue',
  'ByteDance-Seed-OSS.jinja system': 'Object keys must be strings: got IntegerValue',
  'ByteDance-Seed-OSS.jinja tools': 'Object keys must be strings: got IntegerValue',
  'ByteDance-Seed-OSS.jinja calls': 'Object keys must be strings: got IntegerValue',
  // filters of none, which Jinja2 leaves until they are used
  'meetkai-functionary-medium-v3.1.jinja simple': 'Cannot apply filter "selectattr" to type: NullValue',
  'meetkai-functionary-medium-v3.1.jinja system': 'Cannot apply filter "selectattr" to type: NullValue',
  // `"…"|safe + text` escapes the text as HTML in Jinja2; here it stays as it is
  'meetkai-functionary-medium-v3.1.jinja tools': 'other text',
  'meetkai-functionary-medium-v3.1.jinja calls': 'other text',
  'meetkai-functionary-medium-v3.2.jinja tools': 'Cannot unpack non-iterable type: TupleValue',
  'openbmb-MiniCPM5-1B.jinja calls': 'Unknown ArrayValue filter: min',
  // str.format
  'tencent-Hy3.jinja simple': 'Cannot call something that is not a function: got UndefinedValue',
  'tencent-Hy3.jinja system': 'Cannot call something that is not a function: got UndefinedValue',
  'tencent-Hy3.jinja tools': 'Cannot call something that is not a function: got UndefinedValue',
  'tencent-Hy3.jinja calls': 'Cannot call something that is not a function: got UndefinedValue',
};

interface Golden {
  readonly oracle: string;
  readonly conversations: Readonly<Record<string, { messages: ChatMessage[]; tools?: unknown[] }>>;
  /** By template and conversation: the text's SHA-256, or how Jinja2 fails. */
  readonly results: Readonly<Record<string, string>>;
}

const golden = JSON.parse(
  gunzipSync(readFileSync(new URL('chatTemplates.golden.gz', import.meta.url))).toString(),
) as Golden;

describe.skipIf(templates === undefined)('the chat templates of published models', () => {
  const now = new Date(2025, 6, 10);
  const failures: Record<string, string> = {};
  beforeAll(() => {
    for (const [key, expected] of Object.entries(golden.results)) {
      const [file, name] = key.split(' ');
      const { messages, tools } = golden.conversations[name];
      try {
        const source = readFileSync(`${templates}/${file}`, 'utf8');
        const template = createChatTemplate(source, { bos: '<s>', eos: '</s>' });
        const text = template.render(messages, { addGenerationPrompt: true, tools, now });
        if (createHash('sha256').update(text).digest('hex') !== expected) failures[key] = 'other text';
      } catch (error) {
        if (!(error instanceof ChatTemplateError)) throw error;
        failures[key] = String(error.data.problem);
      }
    }
  });

  it('render as Jinja2 renders them, but for those listed', () => {
    const ours = Object.entries(failures).filter(([key]) => !golden.results[key].startsWith('fails'));
    expect(Object.fromEntries(ours)).toEqual(packageFails);
    console.log(`@huggingface/jinja fails, and Jinja2 does not:\n  ${Object.keys(packageFails).join('\n  ')}`);
  });

  it('all render a simple conversation, or fail in Jinja2 too', () => {
    const files = new Set(Object.keys(golden.results).map((key) => key.split(' ')[0]));
    expect(files.size).toBe(65);
    const failing = [...files].filter((file) => `${file} simple` in failures && !(`${file} simple` in packageFails));
    expect(failing.map((file) => `${file}: ${golden.results[`${file} simple`]}`)).toEqual([
      "CohereForAI-c4ai-command-r-plus-tool_use.jinja: fails: 'NoneType' object is not iterable",
      "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja: fails: 'NoneType' object is not iterable",
      "NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja: fails: 'NoneType' object is not iterable",
      "fireworks-ai-llama-3-firefunction-v2.jinja: fails: 'functions' is undefined",
    ]);
  });
});

describe('the vectors of huggingface.js', () => {
  interface Conversation {
    readonly chat_template: string;
    readonly data: Readonly<Record<string, unknown>> & { readonly messages: ChatMessage[] };
    readonly target: string;
  }

  it.skipIf(conversations === undefined)('of conversations are met', () => {
    const groups = read<Record<string, Record<string, Conversation>>>(conversations!);
    const all = Object.values(groups).flatMap((group) => Object.entries(group));
    expect(all.length).toBeGreaterThan(50);
    for (const [name, { chat_template, data, target }] of all) {
      const { messages, ...variables } = data;
      // left out is not the same as false
      const extra = { add_generation_prompt: undefined, ...variables };
      expect(createChatTemplate(chat_template).render(messages, { extra, now: new Date(2025, 6, 10) }), name).toBe(
        target,
      );
    }
  });

  it.skipIf(cases === undefined)('of single expressions are met', () => {
    const all = read<Record<string, { template: string; context: unknown; expected: string }>>(cases!);
    expect(Object.keys(all).length).toBeGreaterThan(100);
    for (const [name, { template, context, expected }] of Object.entries(all)) {
      const extra = withFunctions(context) as Record<string, unknown>;
      expect(createChatTemplate(template).render([], { extra }), name).toBe(expected);
    }
  });

  function read<T>(path: string): T {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  }

  /** JSON has no functions, so the vectors hold their sources. */
  function withFunctions(value: unknown): unknown {
    if (typeof value === 'string' && value.startsWith(mark)) return functions[value.slice(mark.length)];
    if (Array.isArray(value)) return value.map(withFunctions);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withFunctions(part)]));
  }
  const mark = '__function__ ';
  const functions: Readonly<Record<string, (...args: never[]) => unknown>> = {
    '(x, y) => x + y': (x: number, y: number) => x + y,
    '(...args) => args.length': (...args) => args.length,
    '(...args) => args.join("")': (...args) => args.join(''),
    '(...args) => args.join("_")': (...args) => args.join('_'),
    '() => {}': () => {},
  };
});
