/** Training and secure aggregation beside DISCO: the same sizes, the same text, this machine's processors. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { sumUnderDropout } from './dropout.ts';
import { BATCH, characterModel, RATE, SEQUENCE } from './roles.ts';

export interface Side {
  readonly parameters: number;
  readonly millisecondsPerToken: number;
  /** Bytes that a member sends in a round of secure aggregation, per byte of a float32 update. */
  readonly bytesRatio: number;
  /** True if the other members have a sum although one of them sends nothing. */
  readonly survivesDropout: boolean;
}

export interface DiscoFigures {
  readonly members: number;
  readonly espalier: Side;
  /** `backend` of TensorFlow.js. */
  readonly disco: Side & { readonly backend: string };
}

export interface DiscoOptions {
  readonly text: string;
  readonly layers: number;
  readonly width: number;
  readonly members: number;
}

const STEPS = 5;
/** Heads of DISCO's models, by width. */
const HEADS: Readonly<Record<number, number>> = { 48: 3, 128: 4, 192: 6 };

/** @param folder of DISCO's sources, see ../peers/disco.mjs */
export async function besideDisco(folder: string, options: DiscoOptions): Promise<DiscoFigures> {
  const { members } = options;
  const espalier = await ours(options);
  const task = { ...options, sequence: SEQUENCE, batch: BATCH, steps: STEPS };
  const script = fileURLToPath(new URL('../peers/disco.mjs', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [script, folder, JSON.stringify(task)], { encoding: 'utf8' });
  const line = stdout.trim().split('\n').at(-1);
  if (!line?.startsWith('{')) throw new Error(`${script}: ${stderr}`);
  const { backend, parameters, millisecondsPerToken, secureBytes, survivesDropout } = JSON.parse(line);
  const bytesRatio = secureBytes / (4 * parameters);
  return { members, espalier, disco: { backend, parameters, millisecondsPerToken, bytesRatio, survivesDropout } };
}

async function ours({ text, layers, width, members }: DiscoOptions): Promise<Side> {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-disco-'));
  const model = await characterModel(folder, { text, layers, width, heads: HEADS[width] });
  const { parameters } = model;
  const data = await model.openData([{ weight: 1, open: async () => memorySource(readFileSync(text), 'text') }]);
  const times: number[] = [];
  for (let step = 0; step <= STEPS; step++) {
    const started = performance.now();
    await model.learner.update([await data.batch(step)], step, RATE);
    times.push(performance.now() - started);
  }
  // the first step also warms up
  const median = times.slice(1).sort((a, b) => a - b)[STEPS >> 1];
  await data.close();
  await model.dispose();
  rmSync(folder, { recursive: true });
  const whole = await sumUnderDropout(members, parameters, 0, 'update');
  const broken = await sumUnderDropout(members, parameters, 1 / members, 'update');
  return {
    parameters,
    millisecondsPerToken: median / (BATCH * SEQUENCE),
    bytesRatio: whole.bytesRatio,
    survivesDropout: broken.result === 'exact',
  };
}
