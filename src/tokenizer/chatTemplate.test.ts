import { describe, expect, it } from 'vitest';
import { createChatTemplate } from './chatTemplate.ts';
import { ChatTemplateError } from './chatTemplateError.ts';

const hello = [{ role: 'user', content: 'Hello' }];
const render = (source: string, extra?: Record<string, unknown>) => createChatTemplate(source).render(hello, { extra });

describe('a chat template', () => {
  it('is ChatML where a model brings none', () => {
    const template = createChatTemplate(undefined);
    expect(template.render([{ role: 'system', content: 'Be brief.' }, ...hello], { addGenerationPrompt: true })).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(template.render(hello)).toBe('<|im_start|>user\nHello<|im_end|>\n');
  });

  it('sees messages, tokens, tools and what else it is given', () => {
    const source = '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ tools | tojson }}{{ mood }}';
    const text = createChatTemplate(source, { bos: '<s>', eos: '</s>' }).render(hello, {
      tools: [{ a: 1 }],
      extra: { mood: '!' },
    });
    expect(text).toBe('<s>Hello</s>[{"a": 1}]!');
    expect(render('{% if bos_token is defined %}x{% endif %}{% if tools is none %}none{% endif %}')).toBe('none');
  });

  it('tells the time as strftime does', () => {
    const template = createChatTemplate('{{ strftime_now("%d %b %Y, %A %-d %B %y %H:%M:%S %I%p %%") }}');
    expect(template.render([], { now: new Date(2025, 6, 4, 15, 6, 7) })).toBe(
      '04 Jul 2025, Friday 4 July 25 15:06:07 03PM %',
    );
  });

  it('refuses conversations in its own words', () => {
    const template = createChatTemplate("{{ raise_exception('Roles must alternate') }}");
    expect(() => template.render(hello)).toThrow(ChatTemplateError);
    expect(() => template.render(hello)).toThrow('chat template: Roles must alternate');
  });

  it.each(['{% if %}', '{{ "a }}', '{% for x in y %}', '{{ 1 + }}', `${'{{ ('.repeat(20_000)}`])(
    'that is not Jinja is refused: %.20s',
    (source) => {
      expect(() => createChatTemplate(source)).toThrow(ChatTemplateError);
    },
  );

  it.each([
    ['an unknown filter', '{{ 1 | nonsense }}'],
    ['an endless macro', '{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}'],
    ['a giant range', '{% for x in range(1000000000) %}{% endfor %}'],
    ['loops in loops', `${'{% for x in range(1000) %}'.repeat(4)}${'{% endfor %}'.repeat(4)}`],
    [
      'doubling text',
      '{% set n = namespace(s="x") %}{% for i in range(90) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}',
    ],
    ['a break outside a loop', '{% break %}'],
  ])('with %s ends in a typed error', (_, source) => {
    expect(() => render(source)).toThrow(ChatTemplateError);
  });

  it('counts like range of Python', () => {
    expect(render('{{ range(3) }}{{ range(1, 3) }}{{ range(5, 0, -2) }}{{ range(3, 1) }}')).toBe(
      'range(0, 3)range(1, 3)range(5, 0, -2)range(3, 1)',
    );
  });
});
