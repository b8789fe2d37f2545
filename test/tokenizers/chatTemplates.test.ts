/** Chat templates of published models, and Jinja cases published by others, against what Python's jinja2 makes of them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ChatMessage } from '../../src/tokenizer/chatMessage.ts';
import { createChatTemplate } from '../../src/tokenizer/chatTemplate.ts';
import { ChatTemplateError } from '../../src/tokenizer/chatTemplateError.ts';
import { compileTemplate, JinjaError, parseTemplateJson } from '../../src/tokenizer/jinja/index.ts';
import { sharedData } from '../sharedData.ts';

const templates = sharedData('vectors/chat-templates');
const conversations = sharedData('vectors/jinja/hfjs-chat-templates-e2e.json');
const cases = sharedData('vectors/jinja/hfjs-template-cases.json');
const renderings = sharedData('vectors/jinja/jinja2-renderings.jsonl.gz');
const expressions = sharedData('vectors/jinja/jinja2-expressions.jsonl');

interface Conversation extends Readonly<Record<string, unknown>> {
  readonly messages: ChatMessage[];
  readonly tools?: unknown[];
  readonly documents?: unknown[];
}

interface Golden {
  readonly oracle: string;
  readonly conversations: Readonly<Record<string, Conversation>>;
  /** SHA-256 of the text, or Jinja2's error, by template and conversation. */
  readonly results: Readonly<Record<string, string>>;
  /** The same of huggingface.js's cases. */
  readonly vectors: Readonly<Record<string, string>>;
}

const golden = parseTemplateJson(
  gunzipSync(readFileSync(new URL('chatTemplates.golden.gz', import.meta.url))).toString(),
) as Golden;

/** 'fails' or the text's SHA-256. */
function outcome(render: () => string): string {
  try {
    return createHash('sha256').update(render()).digest('hex');
  } catch (error) {
    if (error instanceof ChatTemplateError || error instanceof JinjaError) return 'fails';
    throw error;
  }
}

/** Keys whose outcome is another one than Jinja2's. */
function differing(expected: Readonly<Record<string, string>>, render: (key: string) => string): string[] {
  return Object.keys(expected).filter(
    (key) => outcome(() => render(key)) !== expected[key].replace(/^fails.*/s, 'fails'),
  );
}

describe.skipIf(templates === undefined)('the chat templates of published models', () => {
  it('render as Jinja2 renders them, and fail where it fails', () => {
    const now = new Date(2025, 6, 10);
    expect(Object.keys(golden.results).length).toBeGreaterThan(1000);
    const differ = differing(golden.results, (key) => {
      const [, file, name] = /^(\S+) (.*)$/.exec(key)!;
      const { messages, tools, documents, ...extra } = golden.conversations[name];
      const template = createChatTemplate(readFileSync(`${templates}/${file}`, 'utf8'), { bos: '<s>', eos: '</s>' });
      return template.render(messages, { addGenerationPrompt: true, tools, documents, extra, now });
    });
    expect(differ).toEqual([]);
  });
});

describe("jinja2's own renderings", () => {
  interface Rendering {
    readonly template: string;
    readonly case?: string;
    readonly context: Readonly<Record<string, unknown>>;
    readonly expected?: string;
    readonly error?: string;
  }
  const now = new Date(2025, 2, 9, 14, 5, 7);
  const read = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => parseTemplateJson(line) as Rendering);
  const differing = (lines: readonly Rendering[], source: (template: string) => string) =>
    lines.filter(({ template, context, expected }) => {
      try {
        return compileTemplate(source(template)).render(context, { now }) !== expected;
      } catch (error) {
        if (!(error instanceof JinjaError)) throw error;
        return expected !== undefined;
      }
    });

  it.skipIf(renderings === undefined)('of published templates are met', () => {
    const lines = read(gunzipSync(readFileSync(renderings!)).toString());
    expect(lines.length).toBe(1692);
    const differ = differing(lines, (file) => readFileSync(`${templates}/${file}`, 'utf8'));
    expect(differ.map(({ template, case: name }) => `${template} ${name}`)).toEqual([]);
  });

  it.skipIf(expressions === undefined)('of expressions are met', () => {
    const lines = read(readFileSync(expressions!, 'utf8'));
    expect(lines.length).toBe(172);
    expect(differing(lines, (template) => template).map(({ template }) => template)).toEqual([]);
  });
});

describe('the cases of huggingface.js', () => {
  const keys = (kind: string) =>
    Object.fromEntries(Object.entries(golden.vectors).filter(([key]) => key.startsWith(`${kind} `)));

  it.skipIf(conversations === undefined)('of conversations come out as in Jinja2', () => {
    interface Case {
      readonly chat_template: string;
      readonly data: Readonly<Record<string, unknown>>;
    }
    const groups = parseTemplateJson(readFileSync(conversations!, 'utf8')) as Record<string, Record<string, Case>>;
    const all: Record<string, Case> = Object.assign({}, ...Object.values(groups));
    const differ = differing(keys('conversation'), (key) => {
      const { chat_template, data } = all[key.slice('conversation '.length)];
      return compileTemplate(chat_template).render(data, { now: new Date(2025, 6, 10) });
    });
    expect(differ).toEqual([]);
  });

  it.skipIf(cases === undefined)('of single expressions come out as in Jinja2', () => {
    interface Case {
      readonly template: string;
      readonly context: Readonly<Record<string, unknown>>;
    }
    const all = parseTemplateJson(readFileSync(cases!, 'utf8')) as Record<string, Case>;
    expect(Object.keys(keys('case')).length).toBeGreaterThan(100);
    const differ = differing(keys('case'), (key) => {
      const { template, context } = all[key.slice('case '.length)];
      return compileTemplate(template).render(context);
    });
    expect(differ).toEqual([]);
  });
});
