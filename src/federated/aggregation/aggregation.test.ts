/** Aggregation rules on values worked out by hand, and what they promise against attackers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AggregationRule, aggregationRules } from './index.ts';
import { mean } from './mean.ts';
import { normBound } from './normBound.ts';
import { ServerOptimizer } from './serverOptimizer.ts';
import { discountStale } from './staleness.ts';
import type { WeightedUpdate } from './update.ts';

const update = (client: string, weight: number, ...values: number[]): WeightedUpdate => ({
  client,
  weight,
  values: Float32Array.from(values),
});
const rules = Object.keys(aggregationRules) as AggregationRule[];
const ruleOf = (name: AggregationRule) => aggregationRules[name]({ attackers: 0.2 });

describe('an aggregation rule', () => {
  it('weights the mean by examples', () => {
    expect([...mean([update('a', 10, 1, 0), update('b', 30, 5, 2)])]).toEqual([4, 1.5]);
  });

  it('takes the middle of each coordinate', () => {
    const updates = [update('a', 1, 1, 9), update('b', 99, 2, 8), update('c', 1, 30, -7)];
    expect([...ruleOf('median')(updates)]).toEqual([2, 8]);
    expect([...ruleOf('median')(updates.slice(0, 2))]).toEqual([1.5, 8.5]);
  });

  it('drops the ends of each coordinate', () => {
    const updates = [1, 2, 3, 4, 100].map((value, i) => update(`${i}`, 1, value));
    expect([...ruleOf('trimmedMean')(updates)]).toEqual([3]);
  });

  it('keeps the updates that are close to each other', () => {
    const updates = [1, 1.1, 0.9, 1, 50].map((value, i) => update(`${i}`, 1, value, value));
    expect(ruleOf('krum')(updates)[0]).toBeCloseTo(1, 5);
  });

  it('scales large updates down', () => {
    const combined = normBound(5, mean)([update('a', 1, 3, 4), update('b', 1, 30, 40)]);
    expect([...combined]).toEqual([3, 4]);
  });

  it.each(rules)('%s does not depend on the order of updates', (name) => {
    const values = fc.array(fc.float({ noNaN: true, min: -10, max: 10 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(values, { minLength: 5, maxLength: 9 }), fc.infiniteStream(fc.nat()), (rows, order) => {
        const updates = rows.map((row, i) => update(`client ${i}`, i + 1, ...row));
        const shuffled = updates.map((value) => ({ value, key: order.next().value })).sort((a, b) => a.key - b.key);
        expect(ruleOf(name)(shuffled.map(({ value }) => value))).toEqual(ruleOf(name)(updates));
      }),
      { numRuns: 50 },
    );
  });

  it.each(rules.filter((name) => name !== 'mean'))(
    '%s stays near the honest clients when 20%% send anything',
    (name) => {
      const honest = Array.from({ length: 8 }, (_, i) => update(`h${i}`, 1, 1 + i / 100, -1 - i / 100));
      const attackers = [update('a', 1e9, -1e6, 1e6), update('b', 1e9, -1e6, 1e6)];
      const [x, y] = ruleOf(name)([...honest, ...attackers]);
      // a bounded mean is still moved by as much as the attackers' share
      const distance = name === 'boundedMean' ? 0.5 : 0.1;
      expect(Math.abs(x - 1)).toBeLessThan(distance);
      expect(Math.abs(y + 1)).toBeLessThan(distance);
      expect(Math.abs(mean([...honest, ...attackers])[0])).toBeGreaterThan(1e5);
    },
  );
});

describe('a server optimizer', () => {
  it('adds the mean update (FedAvg)', () => {
    expect([...new ServerOptimizer().step(Float32Array.of(1, 2), Float32Array.of(0.5, -1))]).toEqual([1.5, 1]);
  });

  it('follows FedAdam, FedYogi and FedAdagrad as the paper writes them', () => {
    const options = { learningRate: 0.1, momentum: 0.9, beta2: 0.99, tau: 0.01 };
    for (const rule of ['adam', 'yogi', 'adagrad'] as const) {
      const optimizer = new ServerOptimizer({ ...options, rule });
      let weights: Float32Array = Float32Array.of(0);
      let [m, v, x] = [0, 0.0001, 0];
      for (const delta of [0.3, -0.2, 0.05]) {
        weights = optimizer.step(weights, Float32Array.of(delta));
        m = 0.9 * m + 0.1 * delta;
        if (rule === 'adagrad') v += delta ** 2;
        else if (rule === 'adam') v = 0.99 * v + 0.01 * delta ** 2;
        else v = v - 0.01 * delta ** 2 * Math.sign(v - delta ** 2);
        x += (0.1 * m) / (Math.sqrt(v) + 0.01);
        expect(weights[0]).toBeCloseTo(x, 5);
      }
      const continued = new ServerOptimizer({ ...options, rule }, optimizer.state);
      expect(continued.step(weights, Float32Array.of(1))).toEqual(optimizer.step(weights, Float32Array.of(1)));
    }
  });
});

describe('the discount of stale updates', () => {
  const stale = (staleness: number, ...values: number[]) => ({ ...update(`${staleness}`, 1, ...values), staleness });

  it('scales each update by 1/√(1 + staleness), and gives what it lacks to nobody', () => {
    expect([...discountStale(mean)([stale(3, 1, -8)])]).toEqual([0.5, -4]);
    const [value] = discountStale(mean)([stale(0, 1), stale(1, 1)]);
    expect(value).toBeCloseTo((1 + Math.SQRT1_2) / 2, 6);
  });

  it.each(rules.filter((name) => name !== 'mean'))(
    'leaves %s as robust: an attacker gains nothing by waiting',
    (name) => {
      const honest = Array.from({ length: 8 }, (_, i) => ({
        ...update(`h${i}`, 1, 1 + i / 100, -1 - i / 100),
        staleness: i % 2,
      }));
      const attackers = [0, 20].map((staleness) => ({ ...update(`a${staleness}`, 1e9, -1e6, 1e6), staleness }));
      const [x, y] = discountStale(ruleOf(name))([...honest, ...attackers]);
      // between the values of fresh and of stale clients; a bounded mean is still moved by as much as the attackers' share
      const least = name === 'boundedMean' ? 0.4 : Math.SQRT1_2;
      expect(x).toBeGreaterThanOrEqual(least);
      expect(x).toBeLessThan(1.1);
      expect(y).toBeLessThanOrEqual(-least);
      expect(y).toBeGreaterThan(-1.1);
    },
  );
});
