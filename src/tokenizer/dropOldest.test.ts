import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatMessage } from './chatMessage.ts';
import { dropOldest } from './dropOldest.ts';

/** 's' system, 'u' user, 'a' assistant, 'c' assistant with tool calls, 't' tool: each letter is a message. */
function conversation(letters: string): ChatMessage[] {
  const roles: Record<string, string> = { s: 'system', u: 'user', a: 'assistant', c: 'assistant', t: 'tool' };
  return [...letters].map((letter, i) => ({ role: roles[letter], content: `${letter}${i}` }));
}

const letters = (messages: readonly ChatMessage[] | undefined) =>
  messages?.map(({ content }) => String(content)[0]).join('');
const atMost = (count: number) => (messages: readonly ChatMessage[]) => messages.length <= count;

describe('dropOldest', () => {
  it.each([
    ['suauau', 6, 'suauau'],
    ['suauau', 5, 'suau'],
    ['suauau', 3, 'su'],
    ['uactctau', 4, 'u'],
    ['suauctcta', 6, 'sucta'],
    ['ssuau', 3, 'ssu'],
    ['u', 0, undefined],
    ['su', 1, undefined],
  ])('%s to at most %i messages', (given, count, expected) => {
    expect(letters(dropOldest(conversation(given), atMost(count)))).toBe(expected);
  });

  it('keeps calls of tools beside their results in the last exchange', () => {
    expect(letters(dropOldest(conversation('sucttctct'), atMost(6)))).toBe('suctct');
    expect(letters(dropOldest(conversation('sucttctct'), atMost(5)))).toBe('suct');
  });

  it('keeps instructions and the last exchange, never leaves a result without its call, and drops as little as possible', () => {
    const exchange = fc.tuple(
      fc.constant('u'),
      fc.array(
        fc.nat(2).map((results) => `c${'t'.repeat(results + 1)}`),
        { maxLength: 3 },
      ),
      fc.constant('a'),
    );
    const whole = fc
      .tuple(fc.nat(2), fc.array(exchange, { maxLength: 6 }))
      .map(([system, exchanges]) => `${'s'.repeat(system)}${exchanges.map((each) => each.flat().join('')).join('')}u`);
    fc.assert(
      fc.property(whole, fc.nat(30), (given, limit) => {
        const messages = conversation(given);
        const kept = dropOldest(messages, atMost(limit));
        if (kept === undefined) return limit < given.replace(/[^s]/g, '').length + 1;
        expect(kept.length).toBeLessThanOrEqual(limit);
        expect(kept.filter(({ role }) => role === 'system').length).toBe(given.match(/s/g)?.length ?? 0);
        expect(kept.at(-1)).toBe(messages.at(-1));
        kept.forEach((message, i) => {
          const before = messages[messages.indexOf(message) - 1];
          if (message.role === 'tool') expect(kept[i - 1]).toBe(before);
        });
        if (messages.length <= limit) expect(kept).toBe(messages);
        return true;
      }),
    );
  });
});
