/** Templates made at random by a grammar (randomTemplates.py), with what Python's jinja2 makes of them. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { compileTemplate, JinjaError, parseTemplateJson } from '../../../src/tokenizer/jinja/index.ts';

interface Case {
  readonly template: string;
  readonly expected?: string;
  /** Type of Python's exception. */
  readonly error?: string;
}

const golden = gunzipSync(readFileSync(new URL('randomTemplates.golden.gz', import.meta.url))).toString();
const [first, ...lines] = golden.trim().split('\n');
const { variables } = parseTemplateJson(first) as { variables: Readonly<Record<string, unknown>> };
const cases = lines.map((line) => JSON.parse(line) as Case);

function outcome(template: string): { text?: string; error?: string } {
  try {
    return { text: compileTemplate(template).render(variables, { now: new Date(2025, 2, 9, 14, 5, 7) }) };
  } catch (error) {
    if (error instanceof JinjaError) return { error: error.type };
    throw error;
  }
}

it('render as in jinja2, and fail where it fails', () => {
  expect(cases.length).toBe(2000);
  const differ = cases.filter(({ template, expected }) => outcome(template).text !== expected);
  expect(differ.map(({ template, expected, error }) => ({ template, expected, error, ...outcome(template) }))).toEqual(
    [],
  );
});

it('fail with the type of error that Python has, nearly always', () => {
  const failing = cases.filter(({ error }) => error !== undefined);
  const same = failing.filter(({ template, error }) => outcome(template).error === error);
  expect(same.length / failing.length).toBeGreaterThan(0.94);
});
