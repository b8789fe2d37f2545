import { describe, expect, it } from 'vitest';
import type { Contest, Engine, Figure, Readings } from './contest.ts';
import { figures } from './figures.ts';
import { learningFigures } from './learningFigures.ts';
import type { Outcome, Outcomes } from './measure.ts';
import { jsonOf, judge, tableOf } from './report.ts';

const contest: Contest = {
  title: 'model',
  work: { prefill: 8, decode: 4, runs: 1 },
  quickWork: {},
};
const engine = (name: string): Engine => ({ name, run: async () => ({}) });
const [ours, slow, fast] = ['ours', 'slow', 'fast'].map(engine);

function figure(reading: keyof Readings, must: Figure['must']): Figure {
  return { name: 'it', title: 'it', contest, reading, ours: [ours], against: [slow, fast], must };
}

function outcomesOf(
  values: readonly [Engine, readonly number[], Outcome['ended']?][],
  reading: keyof Readings,
): Outcomes {
  const entrants = values.map(([engine, numbers, ended]) => ({
    engine,
    rounds: numbers.map((value) => ({ [reading]: value })),
    ended,
  }));
  return new Map([[contest, entrants]]);
}

const reading = 'decodeTokensPerSecond';

describe('a figure', () => {
  it('divides our median by that of the best engine to compare with', () => {
    const outcomes = outcomesOf(
      [
        [ours, [30, 10, 20]],
        [slow, [5, 5, 5]],
        [fast, [9, 11, 10, 10]],
      ],
      reading,
    );
    expect(judge(figure(reading, { atLeast: 2 }), outcomes)).toMatchObject({
      ours: { engine: 'ours', median: 20, min: 10, max: 30 },
      against: { engine: 'fast', median: 10, min: 9, max: 11 },
      ratio: 2,
      result: 'pass',
    });
    expect(judge(figure(reading, { atLeast: 2.01 }), outcomes).result).toBe('below the bar');
  });

  it('takes the minimum if less is better', () => {
    const outcomes = outcomesOf(
      [
        [ours, [3]],
        [slow, [8]],
        [fast, [4]],
      ],
      'loadSeconds',
    );
    const verdict = judge(figure('loadSeconds', { atMost: 0.75 }), outcomes);
    expect(verdict).toMatchObject({ against: { engine: 'fast' }, ratio: 0.75, result: 'pass' });
    expect(judge(figure('loadSeconds', { atMost: 0.7 }), outcomes).result).toBe('below the bar');
  });

  it('ignores a skipped engine, and is skipped if a side has no other engine', () => {
    const gone = { kind: 'skipped', reason: 'it is not here' } as const;
    const without = (...skipped: Engine[]) =>
      outcomesOf(
        [ours, slow, fast].map((engine) => (skipped.includes(engine) ? [engine, [], gone] : [engine, [1]])),
        reading,
      );
    const wanted = figure(reading, { atLeast: 1 });
    expect(judge(wanted, without(fast))).toMatchObject({ against: { engine: 'slow' }, result: 'pass' });
    expect(judge(wanted, without(slow, fast))).toMatchObject({ result: 'skipped', reason: 'slow: it is not here' });
  });

  it('fails if an engine fails, even after some rounds', () => {
    const broken = { kind: 'failed', reason: 'it broke' } as const;
    const outcomes = outcomesOf(
      [
        [ours, [9]],
        [slow, [1], broken],
        [fast, [1]],
      ],
      reading,
    );
    expect(judge(figure(reading, { atLeast: 1 }), outcomes)).toMatchObject({
      result: 'failed',
      reason: 'slow: it broke',
    });
  });
});

it('the report has a row for each figure and one line of JSON', () => {
  const outcomes = outcomesOf(
    [
      [ours, [2]],
      [slow, [1]],
      [fast, [1]],
    ],
    reading,
  );
  const verdicts = [judge(figure(reading, { atLeast: 1.5 }), outcomes)];
  expect(tableOf(verdicts).split('\n')).toHaveLength(2);
  const json = jsonOf(verdicts, { machine: { cores: '2' }, rounds: 1, quick: false });
  expect(json).not.toContain('\n');
  expect(JSON.parse(json)).toMatchObject({
    passed: 1,
    figures: [{ name: 'it', prefill: 8, ratio: 2, result: 'pass' }],
  });
});

it('figures have unique names', () => {
  for (const all of [figures, learningFigures]) expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
});
