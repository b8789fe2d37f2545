/** Adapters of 20 roles on a quantized base: the shared one, one for each role alone, and the shared one adapted to each role. */
import { checkSettings, personalize, simulate, trainLocally } from '../../src/federated/index.ts';
import type { Dataset } from '../../src/train/index.ts';
import { type Base, type BaseFormat, HELD_OUT, openText } from './base.ts';

export interface AdapterOptions {
  readonly rounds: number;
  /** Steps of a client in a round. */
  readonly steps: number;
  /** Maximum number of steps of the personal adapter. */
  readonly personalSteps: number;
}

/** Mean losses over all roles, on the last fifth of each role's text, which no training and no choice has seen. */
export interface AdapterFigures {
  readonly format: BaseFormat;
  readonly base: number;
  readonly shared: number;
  /** Trained on the role's own text only, with as many steps. */
  readonly local: number;
  readonly personal: number;
  /** Number of roles whose personal adapter is better than the shared and than the local one. */
  readonly best: number;
  readonly roles: number;
  /** The same losses of each role. */
  readonly byRole: readonly RoleLosses[];
}

interface RoleLosses {
  readonly role: string;
  /** Characters of the role's text. */
  readonly characters: number;
  readonly base: number;
  readonly shared: number;
  readonly local: number;
  readonly personal: number;
}

const RATE = 5e-3;

export async function adaptRoles(base: Base, format: BaseFormat, options: AdapterOptions): Promise<AdapterFigures> {
  const { rounds, steps, personalSteps } = options;
  const model = await base.open(format, { rank: 8, targets: ['attn_q', 'attn_v', 'attn_output', 'ffn_down'] });
  const { roles } = base;
  /** The part of a role's text before the test. The end of this part is held out while steps and mixtures are chosen; then it is trained on, too. */
  const before = (text: string) => text.slice(0, Math.floor((1 - HELD_OUT) * text.length));
  const data = await Promise.all(roles.map(([role, text]) => openText(model, role, before(text))));
  const wholes = await Promise.all(roles.map(([role, text]) => openText(model, role, before(text), 0)));
  const tests = await Promise.all(roles.map(([role, text]) => openText(model, `${role}, test`, text)));
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
    return (await model.heldOutLoss(tests[client])).loss;
  };
  const adapted = async (own: Dataset, weights: Float32Array, options: Parameters<typeof personalize>[3]) =>
    (await personalize(model, own, weights, options)).weights;
  const sums = { base: 0, shared: 0, local: 0, personal: 0 };
  const byRole: RoleLosses[] = [];
  const from = rounds * steps;
  for (const [client, own] of data.entries()) {
    const alone = { steps: from + personalSteps, learningRate: RATE, from: 0, whole: wholes[client] };
    const after = { steps: personalSteps, learningRate: RATE, from, start, whole: wholes[client] };
    const losses = {
      base: await lossOf(client, start),
      shared: await lossOf(client, shared),
      local: await lossOf(client, await adapted(own, start, alone)),
      personal: await lossOf(client, await adapted(own, shared, after)),
    };
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += losses[key] / data.length;
    const [role, text] = roles[client];
    byRole.push({ role, characters: text.length, ...losses });
  }
  const best = byRole.filter(({ personal, shared, local }) => personal < Math.min(shared, local)).length;
  for (const one of [...data, ...wholes, ...tests]) await one.close();
  await model.dispose();
  return { format, ...sums, best, roles: data.length, byRole };
}
