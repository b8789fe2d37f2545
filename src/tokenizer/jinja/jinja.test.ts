import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTemplate, JinjaError, parseTemplateJson } from './index.ts';

const render = (source: string, variables: Record<string, unknown> = {}, steps?: number) =>
  compileTemplate(source).render(variables, { steps, now: new Date(2025, 2, 9, 14, 5, 7) });

function errorOf(work: () => unknown): JinjaError {
  try {
    work();
  } catch (error) {
    if (error instanceof JinjaError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

describe('values print as in Python', () => {
  it.each([
    [['a', null, true, 1, 2.5, "it's"], `['a', None, True, 1, 2.5, "it's"]`],
    [{ a: { b: [] } }, "{'a': {'b': []}}"],
    ['tab\t\u200b\u{e0001}é👍', 'tab\t\u200b\u{e0001}é👍'],
    [['tab\t\u200b\u{e0001}é👍'], "['tab\\t\\u200b\\U000e0001é👍']"],
    [1e16, '1e+16'],
    [0.1 + 0.2, '0.30000000000000004'],
    [1e-7, '1e-07'],
    [2n ** 70n, '1180591620717411303424'],
    [Number.NaN, 'nan'],
  ])('%o', (value, text) => {
    expect(render('{{ x }}', { x: value })).toBe(text);
  });

  it('keeps 1.0 and 1 of JSON text apart, and large whole numbers exact', () => {
    const x = parseTemplateJson('[1.0, 1, 12345678901234567890, 1e2, "1.0", {"number:1.5": -0.5}]');
    expect(render('{{ x }}', { x })).toBe("[1.0, 1, 12345678901234567890, 100.0, '1.0', {'number:1.5': -0.5}]");
    expect(() => parseTemplateJson('[1.0')).toThrow(SyntaxError);
  });
});

describe('scopes are those of Jinja2', () => {
  it.each([
    [
      'a loop leaves outer variables as they are',
      '{% set a = 1 %}{% for i in [1, 2] %}{{ a }}{% set a = 9 %}{% endfor %}{{ a }}',
      '111',
    ],
    ['an if has no scope', '{% if true %}{% set a = 1 %}{% endif %}{{ a }}', '1'],
    [
      'a variable that is set further down hides the one that was passed',
      '{% for i in [1] %}[{{ x }}]{% endfor %}{% set x = 2 %}{{ x }}',
      '[]2',
    ],
    ['read before it is set it is the one that was passed', '{{ x }}{% set x = 2 %}{{ x }}', 'X2'],
    [
      'a namespace reaches out of a loop',
      '{% set n = namespace(a=0) %}{% for i in [1, 2] %}{% set n.a = n.a + i %}{% endfor %}{{ n.a }}',
      '3',
    ],
    [
      'a macro sees what is assigned when it is called',
      '{% macro m() %}{{ y }}{% endmacro %}{% set y = 1 %}{{ m() }}',
      '1',
    ],
    [
      'else of a loop runs where no round came to its end',
      '{% for i in [1] %}{% continue %}{% else %}else{% endfor %}',
      'else',
    ],
    [
      'a block sees variables of the top level only',
      '{% set a = 1 %}{% for b in [2] %}{% block c %}{{ a }}{{ b }}{% endblock %}{% endfor %}',
      '1',
    ],
  ])('%s', (_, source, text) => {
    expect(render(source, { x: 'X' })).toBe(text);
  });
});

describe('templates have no access to anything', () => {
  it.each([
    'constructor',
    '__proto__',
    'prototype',
    'toString',
    'hasOwnProperty',
    '__class__',
    '__globals__',
    'valueOf',
  ])('an attribute %s does not exist', (name) => {
    for (const value of ['{}', '[]', "'x'", '1', '1.5', 'true', 'x', 'range(2)', 'namespace()', 'range', 'loop']) {
      const source = `{% for i in [1] %}{{ (${value}).${name} is defined }}{{ (${value})['${name}'] is defined }}{% endfor %}`;
      expect(render(source, { x: { a: 1 } }), value).toBe('FalseFalse');
    }
  });

  it('names of JavaScript are ordinary keys', () => {
    const x = JSON.parse('{"__proto__": 1, "constructor": 2}') as unknown;
    expect(render("{{ x['__proto__'] }}{{ x.constructor }}{{ x }}", { x })).toBe(
      "12{'__proto__': 1, 'constructor': 2}",
    );
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(render('{{ globalThis is defined }}{{ process is defined }}{{ this is defined }}')).toBe('FalseFalseFalse');
  });

  it('what is passed stays as it was', () => {
    const messages = [{ role: 'user', content: ['a'] }];
    const before = structuredClone(messages);
    for (const call of ['append(1)', 'pop()', 'clear()', 'insert(0, 1)', 'extend([1])', 'reverse()', 'sort()'])
      expect(errorOf(() => render(`{{ messages.${call} }}`, { messages })).type).toBe('SecurityError');
    expect(errorOf(() => render('{{ messages[0].update({}) }}', { messages })).type).toBe('SecurityError');
    render("{% set m = messages[0].content + ['b'] %}{{ m | sort }}{{ messages | list }}", { messages });
    expect(messages).toEqual(before);
  });

  it.each(["{% include 'a' %}", "{% import 'a' as b %}", "{% from 'a' import b %}", "{% extends 'a' %}"])(
    '%s is refused',
    (source) => {
      expect(errorOf(() => render(source)).message).toContain('cannot include, import or extend');
    },
  );
});

describe('work is bounded', () => {
  it.each([
    ['loops in loops', `${'{% for x in range(1000) %}'.repeat(4)}${'{% endfor %}'.repeat(4)}`, 'LimitError'],
    [
      'doubling text',
      '{% set n = namespace(s="x") %}{% for i in range(90) %}{% set n.s = n.s + n.s %}{% endfor %}',
      'LimitError',
    ],
    [
      'doubling lists',
      '{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = n.s + n.s %}{% endfor %}',
      'LimitError',
    ],
    ['a giant repetition', "{{ 'x' * 10 ** 12 }}", 'LimitError'],
    ['a giant list', '{{ [1] * 10 ** 12 }}', 'LimitError'],
    ['a giant number', '{{ 10 ** (10 ** 10) }}', 'LimitError'],
    ['a number of too many digits', '{{ 10 ** 5000 }}', 'ValueError'],
    ['a giant range', '{{ range(10 ** 9) }}', 'OverflowError'],
    ['a giant width', "{{ 'x' | center(10 ** 12) }}", 'LimitError'],
    ['a giant field', "{{ '%1000000000d' % 1 }}", 'LimitError'],
    ['a giant precision', "{{ '{:.1000000000f}'.format(1.5) }}", 'LimitError'],
    ['giant replacements', "{{ ('x' * 10 ** 6) | replace('x', 'y' * 1000) }}", 'LimitError'],
    ['a macro that calls itself', '{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}', 'RecursionError'],
    ['a recursive loop without end', '{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}', 'RecursionError'],
    ['a block in itself', '{% block a %}{{ self.a() }}{% endblock %}', 'RecursionError'],
    ['nested parentheses', `{{ ${'('.repeat(20_000)}`, 'TemplateSyntaxError'],
    ['nested statements', '{% if 1 %}'.repeat(20_000), 'TemplateSyntaxError'],
    ['a long sum', `{{ 1${' + 1'.repeat(200_000)} }}`, 'RecursionError'],
  ])('%s', (_, source, type) => {
    expect(errorOf(() => render(source)).type).toBe(type);
  });

  it('a deeply nested variable is refused', () => {
    let x: unknown = 1;
    for (let i = 0; i < 100_000; i++) x = [x];
    expect(errorOf(() => render('{{ x }}', { x })).type).toBe('RecursionError');
  });

  it('steps grow in proportion to the text, whatever is done with it', () => {
    const work = [
      '{% set n = namespace(t="") %}{% for m in messages %}{% set n.t = n.t + m.content %}{% endfor %}{{ n.t }}',
      '{% for m in messages %}{{ m.content | trim | upper | replace("a", "b") }}{{ m | tojson }}{% endfor %}',
      '{% for m in messages %}{% for c in m.content %}{{ c }}{% endfor %}{% endfor %}',
      '{% for m in messages %}{% for i in range([m.content | length, 5000] | min) %}{{ m.content[i] }}{% endfor %}{% endfor %}',
      '{% for m in messages %}{{ m.content.split(" ") | join("-") }}{{ m.content.splitlines() | length }}{% endfor %}',
      '{% for m in messages %}{{ m.content[1:-1] }}{{ m.content[::-1] }}{{ "%s" % m.content }}{{ "{}".format(m.content) }}{% endfor %}',
    ];
    for (const source of work) {
      for (const size of [100, 400]) {
        const messages = Array.from({ length: size }, (_, i) => ({
          role: 'user',
          content: `${'word é👍\n'.repeat(60)}${i}`,
        }));
        const characters = size * 550;
        expect(() => render(source, { messages }, 5 * characters), `${source} of ${size}`).not.toThrow();
      }
    }
  });
});

describe('errors', () => {
  it('name the line', () => {
    expect(errorOf(() => render('a\nb\n{{ x.y.z }}', { x: {} }))).toMatchObject({ line: 3, type: 'UndefinedError' });
    expect(errorOf(() => render('a\n{% if %}'))).toMatchObject({ line: 2, type: 'TemplateSyntaxError' });
    expect(errorOf(() => render('\n{% for x in y %}\n{{ x | nosuch }}{% endfor %}'))).toMatchObject({ line: 3 });
  });

  it('an unknown filter in an untaken branch is none', () => {
    expect(render('{% if false %}{{ 1 | nosuch }}{% endif %}ok')).toBe('ok');
  });
});

describe('for all texts', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 400 });

  it('code points are counted, reversed, listed and joined', () => {
    fc.assert(
      fc.property(text, (s) => {
        const source = '{{ s | length }}|{{ s[::-1][::-1] == s }}|{{ s | list | join == s }}|{{ s[:3] ~ s[3:] == s }}';
        expect(render(source, { s })).toBe(`${Array.from(s).length}|True|True|True`);
      }),
    );
  });

  it('split undoes join, and replace is split and join', () => {
    fc.assert(
      fc.property(text, fc.string({ minLength: 1, maxLength: 2 }), (s, separator) => {
        const source =
          '{{ separator.join(s.split(separator)) == s }}{{ s.replace(separator, "#") == "#".join(s.split(separator)) }}';
        expect(render(source, { s, separator })).toBe('TrueTrue');
      }),
    );
  });

  it('tojson is JSON of the value', () => {
    const json = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('-0'));
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(render('{{ x | tojson }}', { x: value }))).toEqual(JSON.parse(JSON.stringify(value)));
        expect(JSON.parse(render('{{ x | tojson(indent=2, ensure_ascii=true) }}', { x: value }))).toEqual(
          JSON.parse(JSON.stringify(value)),
        );
      }),
    );
  });

  it('text without tags renders as it is, but for its line ends', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((s) => !/\{[{%#]/.test(s)),
        (s) => {
          expect(render(s)).toBe(s.replace(/\r\n?/g, '\n').replace(/\n$/, ''));
        },
      ),
    );
  });
});
