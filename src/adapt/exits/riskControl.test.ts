import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/random.ts';
import { ExitCheck } from '../../runtime/exits/exitCheck.ts';
import { calibrateExit } from './calibrateExit.ts';
import { type ExitSample, lossAt } from './exitSamples.ts';
import { calibrate, promptsNeeded, riskPValue } from './riskControl.ts';

describe('the p-value of a risk', () => {
  it('is below δ in at most a share of δ of the experiments in which the risk is as large as promised', () => {
    const random = seededRandom(3);
    for (const [risk, burst] of [
      [0.01, 1],
      [0.05, 1],
      [0.02, 0.1],
    ] as const) {
      let rejected = 0;
      for (let experiment = 0; experiment < 1000; experiment++) {
        const losses = Array.from({ length: 300 }, () => (random.uniform() < risk / burst ? burst : 0));
        if (riskPValue(losses, risk) <= 0.05) rejected++;
      }
      expect(rejected).toBeLessThan(50 + 3 * Math.sqrt(50));
    }
  });

  it('falls with more prompts, and with smaller losses', () => {
    const losses = (count: number, loss: number) => new Array<number>(count).fill(loss);
    expect(riskPValue(losses(800, 0.004), 0.01)).toBeLessThan(0.05);
    expect(riskPValue(losses(200, 0.004), 0.01)).toBeGreaterThan(0.05);
    expect(riskPValue(losses(800, 0.01), 0.01)).toBeGreaterThan(0.9);
  });
});

describe('a calibration', () => {
  it('says how many prompts it takes', () => {
    const needed = promptsNeeded(0.01, 0.05);
    expect(riskPValue(new Array<number>(needed).fill(0), 0.01)).toBeLessThanOrEqual(0.05);
    expect(riskPValue(new Array<number>(needed - 1).fill(0), 0.01)).toBeGreaterThan(0.05);
    expect(promptsNeeded(0.01, 0)).toBe(99);
    expect(() => calibrate([1], () => new Array<number>(20).fill(0), 0.01, 0.05)).toThrow(
      new RegExp(`prompts is 20, expected at least ${needed} to promise a risk of 0.01 with probability 0.95`),
    );
  });

  it('stops at the first threshold that fails', () => {
    const losses = (threshold: number) => new Array<number>(500).fill(threshold === 3 ? 0.5 : 0);
    expect(calibrate([4, 3, 2, 1], losses, 0.01, 0.05)).toBe(4);
    expect(calibrate([3, 2], losses, 0.01, 0.05)).toBeUndefined();
  });

  it('keeps its promise for prompts that it has not seen', () => {
    const random = seededRandom(8);
    // errors become rarer with the margin, more so in some texts than in others
    const sample = (): ExitSample => {
      const ease = 0.5 + random.uniform();
      const margins = Float32Array.from({ length: 60 }, () => 8 * random.uniform());
      const agrees = Uint8Array.from(margins, (margin) => (random.uniform() < Math.exp(-ease * margin) ? 0 : 1));
      return { margins, agrees };
    };
    let kept = 0;
    for (let experiment = 0; experiment < 30; experiment++) {
      const { threshold } = calibrateExit(Array.from({ length: 500 }, sample), { risk: 0.02, delta: 0.1 });
      const others = Array.from({ length: 500 }, sample);
      if (others.reduce((sum, each) => sum + lossAt(each, threshold), 0) / others.length <= 0.02) kept++;
    }
    expect(kept).toBeGreaterThanOrEqual(26);
  });
});

describe('the check while text is made', () => {
  it('hardly ever contradicts a promise that holds, and soon one that does not', () => {
    const random = seededRandom(4);
    const broken = (rate: number, tokens: number): number => {
      let count = 0;
      for (let run = 0; run < 200; run++) {
        const check = new ExitCheck(0.01);
        for (let i = 0; i < tokens; i++) check.see(random.uniform() < rate);
        if (check.isBroken) count++;
      }
      return count;
    };
    expect(broken(0.01, 5000)).toBeLessThanOrEqual(6);
    expect(broken(0.1, 400)).toBeGreaterThan(180);
  });
});
