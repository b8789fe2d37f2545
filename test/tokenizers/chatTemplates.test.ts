/** Chat templates and Jinja cases published by others. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ChatMessage, createChatTemplate } from '../../src/tokenizer/chatTemplate.ts';
import { sharedData } from '../sharedData.ts';

interface Conversation {
  readonly chat_template: string;
  readonly data: Record<string, unknown> & { readonly messages: ChatMessage[] };
  readonly target: string;
}
interface Case {
  readonly template: string;
  readonly context: Record<string, unknown>;
  readonly expected: string;
}

const conversations = sharedData('vectors/jinja/hfjs-chat-templates-e2e.json');
const cases = sharedData('vectors/jinja/hfjs-template-cases.json');
const templates = sharedData('vectors/chat-templates');

function read<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

describe('chat templates', () => {
  it.skipIf(conversations === undefined)('render the conversations of huggingface.js', () => {
    const failed: string[] = [];
    for (const group of Object.values(read<Record<string, Record<string, Conversation>>>(conversations!))) {
      for (const [name, { chat_template, data, target }] of Object.entries(group)) {
        const { messages, ...extra } = data;
        try {
          expect(createChatTemplate(chat_template).render(messages, { extra })).toBe(target);
        } catch (error) {
          failed.push(`${name}: ${(error as Error).message}`);
        }
      }
    }
    expect(failed).toEqual([]);
  });

  it.skipIf(cases === undefined)('evaluate the template cases of huggingface.js', () => {
    const failed: string[] = [];
    for (const [name, { template, context, expected }] of Object.entries(read<Record<string, Case>>(cases!))) {
      try {
        expect(createChatTemplate(template).render([], { extra: context })).toBe(expected);
      } catch (error) {
        failed.push(`${name}: ${(error as Error).message}`);
      }
    }
    expect(failed).toEqual([]);
  });

  it.skipIf(templates === undefined)('of published models render a simple conversation', () => {
    const failed: string[] = [];
    for (const file of readdirSync(templates!)) {
      try {
        const template = createChatTemplate(readFileSync(`${templates}/${file}`, 'utf8'), { bos: '<s>', eos: '</s>' });
        const text = template.render(
          [
            { role: 'user', content: 'What is the capital of France?' },
            { role: 'assistant', content: 'Paris.' },
            { role: 'user', content: 'And of Peru?' },
          ],
          { addGenerationPrompt: true },
        );
        for (const part of ['What is the capital of France?', 'Paris.', 'And of Peru?']) expect(text).toContain(part);
      } catch (error) {
        failed.push(`${file}: ${(error as Error).message}`);
      }
    }
    expect(failed).toEqual([]);
  });
});
