/** Adapters of 20 roles on a quantized base: the shared one, one for each role alone, and the shared one adapted to each role. */
import { checkSettings, simulate, trainLocally } from '../../src/federated/index.ts';
import { type Base, type BaseFormat, openText } from './base.ts';

export interface AdapterOptions {
  readonly rounds: number;
  /** Steps of a client in a round. */
  readonly steps: number;
  /** Steps of the personal adapter. */
  readonly personalSteps: number;
}

/** Mean held-out losses over all roles. */
export interface AdapterFigures {
  readonly format: BaseFormat;
  readonly base: number;
  readonly shared: number;
  /** Trained on the role's own text only, with as many steps, at the better of the two learning rates. */
  readonly local: number;
  readonly personal: number;
  /** Number of roles whose personal adapter is better than the shared and than the local one. */
  readonly best: number;
  readonly roles: number;
}

const RATE = 5e-3;
const PERSONAL_RATE = 1e-3;

export async function adaptRoles(base: Base, format: BaseFormat, options: AdapterOptions): Promise<AdapterFigures> {
  const { rounds, steps, personalSteps } = options;
  const model = await base.open(format, { rank: 8, targets: ['attn_q', 'attn_v', 'attn_output', 'ffn_down'] });
  const data = await Promise.all(base.roles.map(([role, text]) => openText(model, role, text)));
  const start = await model.readWeights();
  const settings = checkSettings({
    ...{ mode: 'visible', rounds, cohort: data.length, maximumExamples: 10_000_000, training: { model: 'base' } },
  });
  let round = 0;
  const { weights: shared } = await simulate(settings, {
    clients: data.length,
    weights: start,
    examples: (client) => data[client].tokens,
    train: async (client, weights) =>
      (await trainLocally(model, data[client], weights, { steps, learningRate: RATE, from: round * steps })).update,
    onRound: () => void round++,
  });
  const lossOf = async (client: number, weights: Float32Array) => {
    await model.writeWeights(weights);
    return (await model.heldOutLoss(data[client])).loss;
  };
  const trained = async (client: number, weights: Float32Array, learningRate: number, count: number, from: number) => {
    const options = { steps: count, learningRate, from };
    const { update } = await trainLocally(model, data[client], weights, options);
    return weights.map((value, i) => value + update[i]);
  };
  const sums = { base: 0, shared: 0, local: 0, personal: 0 };
  let best = 0;
  const count = rounds * steps;
  for (const client of data.keys()) {
    const local = [];
    for (const rate of [RATE, PERSONAL_RATE])
      local.push(await lossOf(client, await trained(client, start, rate, count + personalSteps, 0)));
    const own = {
      base: await lossOf(client, start),
      shared: await lossOf(client, shared),
      local: Math.min(...local),
      personal: await lossOf(client, await trained(client, shared, PERSONAL_RATE, personalSteps, count)),
    };
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += own[key] / data.length;
    if (own.personal < own.shared && own.personal < own.local) best++;
  }
  for (const one of data) await one.close();
  await model.dispose();
  return { format, ...sums, best, roles: data.length };
}
