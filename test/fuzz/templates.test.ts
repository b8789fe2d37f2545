/** Chat templates, spoiled: rendered or refused by a typed error, quickly, in little memory. */
import { expect, it } from 'vitest';
import { createChatTemplate } from '../../src/tokenizer/chatTemplate.ts';
import { drawBytes } from './draw.ts';
import { fuzz } from './fuzz.ts';

/** Templates with all that the language has. */
const templates = [
  `{%- if tools %}{{- '<|tools|>' }}{% for tool in tools %}{{ tool | tojson(indent=2) }}{% endfor %}{% endif -%}
{%- for message in messages if message.role != 'system' %}
  {{- '<|' ~ message['role'] ~ '|>' + (message.content | trim | default('', true)) }}{% if not loop.last %}{{ '\\n' }}{% endif %}
  {%- for call in message.tool_calls or [] %}{{ call.function.name }}({{ call.function.arguments.items() | list }}){% endfor %}
{%- else %}none{% endfor -%}
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}`,
  `{# a comment -#}
{% set ns = namespace(found=false, n=0) %}{% macro show(text, depth=1) %}{{ varargs }}{{ kwargs }}{% endmacro %}
{% macro list(items, sep=', ') -%}{% for i in items recursive %}{{ i if i is string else loop(i) if i is iterable else i }}{{ sep }}{% endfor %}{{ caller(1) if caller }}{%- endmacro %}
{{ list(['a', ['b', [1, 2.5, none]]]) }}{% call(x) list([1]) %}{{ x }}{% endcall %}
{% for k, v in {'a': 1, 2: [true]}.items() %}{% set ns.n = ns.n + loop.index %}{{ k }}={{ v }}{% if loop.first %}{% continue %}{% endif %}{% break %}{% endfor %}
{% filter upper | replace('A', 'b') %}{{ messages | map(attribute='role') | unique | join('-') }}{% endfilter %}{% with a = 1, b = 2 %}{{ a // 2 * b ** 3 % 4 - -1 }}{% endwith %}`,
  `{% raw %}{{ not rendered }}{% endraw %}{%+ block body scoped %}{{ self.body is defined }}{{ super is defined }}{% endblock %}
{% set text %}{{ '%05.2f|%-4s|%r' % (1.5, 'x', [1]) }}{{ '{:>8}{!r}{0}'.format }}{{ '{0:,}'.format(12345) }}{% endset %}{{ text[::-1][1:5] }}
{% autoescape true %}{{ '<b>' }}{{ '<i>' | safe ~ '&' }}{% endautoescape %}{% generation %}{{ strftime_now('%d %b %Y') }}{% endgeneration %}
{{ messages | selectattr('content', 'string') | list | length }}{{ [3, 1, 2] | sort(reverse=true) | batch(2, 0) | list }}{{ 1 < 2 <= 3 and 'a' not in 'bc' }}
{{ 'a,b'.split(',') | first ~ "é\\u00e9\\x41" | upper }}{{ raise_exception('no') if messages | length > 9 }}`,
];
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const MB = 1 << 20;

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi é👍 <b>' },
  { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: { x: [1, null, 2.5] } } }] },
];

it('chat templates', async () => {
  const parse = (file: Uint8Array) =>
    createChatTemplate(decoder.decode(file), { bos: '<s>' }).render(messages, { addGenerationPrompt: true });
  for (const template of templates) parse(encoder.encode(template));
  const draw = drawBytes(templates.map((template) => encoder.encode(template)));
  const parsed = await fuzz(6_000_000, { draw, sizeOf: (file) => file.length, parse, slack: 64 * MB });
  expect(parsed).toBeGreaterThan(100);
});
