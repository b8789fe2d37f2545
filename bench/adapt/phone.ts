/** Ten minutes on simulated phones: tokens of the governor, of fixed plans, and of running until the firmware throttles. */
import { writeFileSync } from 'node:fs';
import type { Plan } from '../../src/adapt/plan.ts';
import type { PlantOptions } from '../../test/adapt/plant.ts';
import { changesOf, fixed, governed, phonePlans, type Sample, simulate, tokensOf } from '../../test/adapt/run.ts';

const LIMIT = 43;
const SECONDS = 600;
/** S25+ as published: 12 K/W, 540 s. A warm room, a smaller phone. */
const phones: Readonly<Record<string, PlantOptions>> = {
  'large phone, 25 °C': { resistance: 12, timeConstant: 540, ambient: 25, trip: LIMIT },
  'large phone, 32 °C': { resistance: 12, timeConstant: 540, ambient: 32, trip: LIMIT },
  'small phone, 25 °C': { resistance: 16, timeConstant: 240, ambient: 25, trip: LIMIT, step: 1, lag: 5 },
};

interface PhoneRow {
  readonly phone: string;
  readonly tokens: number;
  readonly hottest: number;
  readonly changes: number;
  /**
   * Tokens by those of the best fixed plan with the largest fixed share of time that stays below the limit, which nobody knows in
   * advance, and of the fastest plan with the firmware's throttling.
   */
  readonly byBestFixed: number;
  readonly byThrottled: number;
  /** Highest temperature of the throttled run. */
  readonly hottestThrottled: number;
}

/** @param plot file for a plot of the first phone, SVG */
export async function benchPhone(plot?: string): Promise<{ limit: number; phones: readonly PhoneRow[] }> {
  const rows: PhoneRow[] = [];
  for (const [phone, options] of Object.entries(phones)) {
    const samples = simulate(options, governed({ maxTemperature: LIMIT }), SECONDS);
    if (plot !== undefined && rows.length === 0) writeFileSync(plot, plotOf(samples));
    const cool = phonePlans.flatMap((plan) => coolest(options, plan));
    const tokens = tokensOf(samples);
    const throttled = simulate(options, fixed(phonePlans.at(-1)!), SECONDS);
    rows.push({
      phone,
      tokens: Math.round(tokens),
      hottest: hottest(samples),
      changes: changesOf(samples),
      byBestFixed: tokens / Math.max(...cool.map(tokensOf)),
      byThrottled: tokens / tokensOf(throttled),
      hottestThrottled: hottest(throttled),
    });
  }
  for (const { phone, tokens, hottest: most, changes, byBestFixed, byThrottled, hottestThrottled } of rows)
    console.log(
      `${phone}: ${tokens} tokens, at most ${most.toFixed(1)} °C, ${changes} changes of plan; ${byBestFixed.toFixed(2)} × the best fixed plan and share that stay cool, ${byThrottled.toFixed(2)} × running until ${hottestThrottled.toFixed(1)} °C throttle it`,
    );
  return { limit: LIMIT, phones: rows };
}

/** The run of a plan with the largest fixed share of time that keeps the limit; none if 5% is too much. */
function coolest(options: PlantOptions, plan: Plan): Sample[][] {
  for (let percent = 100; percent >= 5; percent -= 5) {
    const run = simulate(options, fixed(plan, percent / 100), SECONDS);
    if (hottest(run) <= LIMIT) return [run];
  }
  return [];
}

const hottest = (samples: readonly Sample[]): number => Math.max(...samples.map(({ celsius }) => celsius));

/** Temperature, tokens per second and plan over time. */
function plotOf(samples: readonly Sample[]): string {
  const [width, height] = [900, 320];
  const x = (i: number) => 50 + (i / samples.length) * (width - 60);
  const line = (value: (sample: Sample) => number, low: number, high: number) =>
    samples
      .map(
        (sample, i) =>
          `${x(i).toFixed(1)},${(height - 30 - ((value(sample) - low) / (high - low)) * (height - 60)).toFixed(1)}`,
      )
      .join(' ');
  const most = Math.max(...samples.map(({ tokensPerSecond }) => tokensPerSecond));
  const curve = (points: string, color: string) =>
    `<polyline fill="none" stroke="${color}" stroke-width="1.5" points="${points}"/>`;
  const threads = (sample: Sample) => Number.parseInt(sample.plan, 10);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    curve(
      line(({ celsius }) => celsius, 20, 50),
      '#c0392b',
    ),
    curve(
      line(({ tokensPerSecond }) => tokensPerSecond, 0, most),
      '#2471a3',
    ),
    curve(line(threads, 0, 16), '#7d8a2e'),
    `<text x="55" y="16" fill="#c0392b">°C of the case, 20 to 50 (limit ${LIMIT})</text>`,
    `<text x="330" y="16" fill="#2471a3">tokens per second, 0 to ${most.toFixed(0)}</text>`,
    '<text x="600" y="16" fill="#7d8a2e">threads of the plan, 0 to 16</text>',
    `<text x="50" y="${height - 8}">0 s</text><text x="${width - 50}" y="${height - 8}">${samples.length} s</text>`,
    '</svg>',
  ].join('\n');
}
