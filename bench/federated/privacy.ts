/**
 * Differentially private training of an adapter by real rounds (masks, clipping, noise), beside the same without noise, and a test
 * that guesses from the losses who was a member.
 */
import { spawnSync } from 'node:child_process';
import {
  checkSettings,
  Federation,
  identity,
  LossDistributionAccountant,
  localConnection,
  memoryJournal,
  Participant,
  trainLocally,
} from '../../src/federated/index.ts';
import type { Dataset, TrainableModel } from '../../src/train/index.ts';
import { type Base, openText } from './base.ts';

export interface PrivacyFigures {
  readonly clients: number;
  readonly rounds: number;
  /** Groups of devices that take turns: ε counts the rounds of one. */
  readonly groups: number;
  readonly noiseMultiplier: number;
  /** Spent, by our accountant. */
  readonly epsilon: number;
  /** ε of the same rounds from privacy loss distributions, for continuous noise. */
  readonly tightEpsilon: number;
  /** Both by dp-accounting. Undefined without Python. */
  readonly reference?: { readonly epsilon: number; readonly tightEpsilon: number };
  /** Mean losses on texts of devices that never trained: before, with noise, without. */
  readonly loss: { readonly base: number; readonly private: number; readonly plain: number };
  /** Area under the curve of the membership test; 0.5 is chance. */
  readonly membership: { readonly private: number; readonly plain: number };
}

const PIECE = 800;
const RATE = 5e-3;
const STEPS = 4;
const DELTA = 1e-5;

export async function trainPrivately(
  base: Base,
  options: {
    readonly clients: number;
    readonly rounds: number;
    readonly groups: number;
    readonly python?: string;
  },
): Promise<PrivacyFigures> {
  const { rounds, groups, python } = options;
  const model = await base.open('F32', { rank: 2, targets: ['attn_q', 'attn_v'] });
  const pieces = base.roles.flatMap(([, text]) => text.match(new RegExp(`[^]{${PIECE}}`, 'g')) ?? []);
  const count = Math.min(options.clients, pieces.length >> 1);
  // members and others take turns in the text, so that both are alike
  const data = await Promise.all(pieces.slice(0, 2 * count).map((text, i) => openText(model, `piece ${i}`, text)));
  const members = data.filter((_, i) => i % 2 === 0);
  const others = data.filter((_, i) => i % 2 === 1);
  const start = await model.readWeights();
  const common = {
    cohort: count,
    minimumCohort: 3,
    rounds,
    weighting: 'uniform',
    training: { model: 'base' },
  } as const;
  const secure = { clip: 0.3 };
  const privacy = { epsilon: 8, delta: DELTA, groups };
  const noisy = await federate(checkSettings({ ...common, secure, privacy }), model, members, start);
  // a large budget switches the noise off, but not the turns
  const free = { ...privacy, epsilon: 1e9, noiseMultiplier: 1e-3 };
  const plain = await federate(checkSettings({ ...common, secure, privacy: free }), model, members, start);
  const lossesOf = async (sets: readonly Dataset[], weights: Float32Array) => {
    const losses: number[] = [];
    for (const one of sets)
      losses.push((await trainLocally(model, one, weights, { steps: 2, learningRate: 1e-12 })).loss);
    return losses;
  };
  const before = { members: await lossesOf(members, start), others: await lossesOf(others, start) };
  const test = async (weights: Float32Array) => {
    const after = { members: await lossesOf(members, weights), others: await lossesOf(others, weights) };
    const gains = (key: 'members' | 'others') => after[key].map((loss, i) => before[key][i] - loss);
    return { loss: mean(after.others), auc: areaUnderCurve(gains('members'), gains('others')) };
  };
  const [withNoise, without] = [await test(noisy.weights), await test(plain.weights)];
  for (const one of data) await one.close();
  await model.dispose();
  const { noiseMultiplier, epsilon } = noisy;
  const turns = Math.ceil(rounds / groups);
  const tight = new LossDistributionAccountant().add({ noiseMultiplier, samplingRate: 1 }, turns);
  return {
    ...{ clients: count, rounds, groups, noiseMultiplier, epsilon, tightEpsilon: tight.epsilon(DELTA) },
    reference: python === undefined ? undefined : reference(python, noiseMultiplier, 1, turns),
    loss: { base: mean(before.others), private: withNoise.loss, plain: without.loss },
    membership: { private: withNoise.auc, plain: without.auc },
  };
}

/** Runs a federation of real clients in this process until it ends. */
async function federate(
  settings: ReturnType<typeof checkSettings>,
  model: TrainableModel,
  data: readonly Dataset[],
  weights: Float32Array,
) {
  let now = 0;
  const federation = await Federation.open(settings, { journal: memoryJournal(), weights }, now);
  const connection = localConnection(federation, () => now);
  const clients = data.map(
    (own) =>
      new Participant(connection, {
        identity: identity(),
        trainer: {
          examples: 1,
          parameters: weights.length,
          train: async (shared, { task }) => {
            const from = (Number(task.round) - 1) * STEPS;
            return (await trainLocally(model, own, shared, { steps: STEPS, learningRate: RATE, from })).update;
          },
        },
      }),
  );
  while (!federation.finished) {
    let hasActed = false;
    for (const client of clients) if ((await client.step()) === 'acted') hasActed = true;
    if (!hasActed && federation.round) await federation.tick((now = federation.round.deadline));
  }
  const closed = federation.report.filter(({ outcome }) => outcome === 'closed').length;
  if (closed !== settings.rounds) throw new Error(`${closed} rounds were closed: ${federation.finished}`);
  return { weights: federation.weights, epsilon: federation.epsilon!, noiseMultiplier: federation.noiseMultiplier! };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Probability that a value of `a` is greater than one of `b`. */
function areaUnderCurve(a: readonly number[], b: readonly number[]): number {
  let greater = 0;
  for (const x of a) for (const y of b) greater += x > y ? 1 : x === y ? 0.5 : 0;
  return greater / (a.length * b.length);
}

/** ε by dp-accounting, from Rényi divergences and from privacy loss distributions. */
function reference(python: string, noise: number, rate: number, rounds: number) {
  const code = `
from dp_accounting import dp_event, pld, rdp
for accountant in (rdp.RdpAccountant(), pld.PLDAccountant()):
    accountant.compose(dp_event.PoissonSampledDpEvent(${rate}, dp_event.GaussianDpEvent(${noise})), ${rounds})
    print(accountant.get_epsilon(${DELTA}))`;
  const { stdout, stderr } = spawnSync(python, ['-c', code], { encoding: 'utf8' });
  const [epsilon, tightEpsilon] = stdout.split('\n').map(Number.parseFloat);
  if (!Number.isFinite(tightEpsilon)) throw new Error(`${python}: ${stderr}`);
  return { epsilon, tightEpsilon };
}
