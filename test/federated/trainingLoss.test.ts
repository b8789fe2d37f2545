/** The mean training loss of a round's members, in the report. */
import { expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { lossOf, withLoss } from '../../src/federated/client/compression.ts';
import { integersOf } from '../../src/federated/client/integersOf.ts';
import {
  checkSettings,
  decodeMessage,
  decodeUpdate,
  encodeUpdate,
  Federation,
  type FederationInput,
  federationReport,
  localConnection,
  memoryJournal,
  type RoundConfig,
  type RoundMessage,
  secureRandom,
  whatLeaves,
} from '../../src/federated/index.ts';
import { lossIntegers, meanLossOf } from '../../src/federated/round/trainingLoss.ts';
import { roundConfigOf } from '../../src/federated/server/roundConfigOf.ts';
import { PARAMETERS, participant, play, settings, trainerOf, weights } from './clients.ts';

/** Losses by client; the last one is above the maximum. */
const losses = [1.5, 2.25, 3, 4, 1000];

/** Plays one round. @param known losses @returns its line of the report, and the messages that were sent */
async function playRound(
  changes: Partial<FederationInput>,
  options: object = {},
  known: readonly (number | undefined)[] = losses,
) {
  const given = checkSettings({ ...settings, rounds: 1, ...changes } as FederationInput);
  const federation = await Federation.open(given, { journal: memoryJournal(), weights }, 0);
  const sent: RoundMessage[] = [];
  const connection = localConnection(federation, () => 0);
  const listening = {
    ...connection,
    send: (bytes: Uint8Array) => {
      sent.push(decodeMessage(bytes));
      return connection.send(bytes);
    },
  };
  const clients = known.map((loss, i) => {
    const trainer = trainerOf(i);
    const train = async (weights: Float32Array, config: RoundConfig) => ({
      update: await trainer.train(weights, config),
      loss,
    });
    return participant(listening, i, { allowVisible: true, trainer: { ...trainer, train }, ...options });
  });
  await play(federation, clients);
  return { federation, line: federation.report[0], sent };
}

/** Examples are 10, 20, 30, 40, 50; a loss is at most 32. */
const weighted = (10 * 1.5 + 20 * 2.25 + 30 * 3 + 40 * 4 + 50 * 32) / (10 + 20 + 30 + 40 + 50);
const uniform = (1.5 + 2.25 + 3 + 4 + 32) / 5;

it('is inside the masked sum of a secure round, and moves no weight', async () => {
  const { line, sent, federation } = await playRound({ weighting: 'examples', maximumExamples: 50 });
  expect(line.outcome).toBe('closed');
  expect(line.trainingLoss).toBeCloseTo(weighted, 4);
  expect((await playRound({ weighting: 'uniform' })).line.trainingLoss).toBeCloseTo(uniform, 4);
  const updates = sent.flatMap((message) => (message.kind === 'update' ? [message] : []));
  expect(updates.map(({ body }) => body.length)).toEqual(losses.map(() => 4 * (PARAMETERS + 2)));
  expect(Object.keys(updates[0]).sort()).toEqual(['body', 'client', 'kind', 'round', 'signature']);
  expect(federation.weights).toHaveLength(PARAMETERS);
  const html = federationReport('test', federation.report);
  expect(html).toContain(`<td>${line.trainingLoss!.toFixed(4)}</td>`);
});

it('follows a visible update, whatever its compression', async () => {
  for (const compression of [undefined, { bits: 4 }, { top: 0.2 }] as const) {
    const { line } = await playRound({ mode: 'visible', weighting: 'uniform', secure: undefined }, { compression });
    expect(line.outcome).toBe('closed');
    expect(line.trainingLoss).toBeCloseTo(uniform, 4);
  }
});

it('is left out with differential privacy, which says so', async () => {
  const privacy = { epsilon: 50, noiseMultiplier: 5 };
  const { line, federation } = await playRound({ privacy, secure: { clip: 10 }, minimumCohort: 3 });
  expect(line.outcome).toBe('closed');
  expect(line.trainingLoss).toBeUndefined();
  expect(federationReport('test', federation.report)).toContain('not reported: ε would not cover it');
  expect(whatLeaves(federation.settings)).not.toContain('mean loss of its training');
  expect(whatLeaves(checkSettings(settings))).toContain('the update with the mean loss of its training (masked too)');
});

it('is not the loss of one member, or of a few', async () => {
  const alone = [1.5, undefined, undefined, undefined, undefined];
  const line = async (changes: Partial<FederationInput>, known: readonly (number | undefined)[]) =>
    (await playRound(changes, {}, known)).line;
  for (const known of [alone, [1.5, 2.25, undefined, 4, 32]])
    for (const weighting of ['uniform', 'examples'] as const) {
      const { outcome, trainingLoss } = await line({ weighting, maximumExamples: 50 }, known);
      expect([outcome, trainingLoss]).toEqual(['closed', undefined]);
    }
  const visible = { mode: 'visible', weighting: 'uniform', secure: undefined, minimumCohort: 3 } as const;
  expect((await line(visible, alone)).trainingLoss).toBeUndefined();
  expect((await line(visible, [1, 2, undefined, 3, undefined])).trainingLoss).toBeCloseTo(2, 4);
});

it('is rounded without bias, however little a member counts', () => {
  const many = { cohort: 100_000, minimumCohort: 3, maximumExamples: 100_000, secure: {} };
  const given = checkSettings({ ...settings, ...many });
  const config = roundConfigOf(given, 1, PARAMETERS, '0'.repeat(64));
  const random = seededRandom(1);
  const weight = 40 / 100_000;
  const [sums, count] = [[0, 0], 20_000];
  for (let i = 0; i < count; i++)
    for (const [k, integer] of lossIntegers(3, weight, config, random).entries()) sums[k] += integer;
  expect(meanLossOf(sums, new Array(count).fill(weight), config)).toBeCloseTo(3, 1);
});

it('is undefined if nobody knows it, or if a member adds what no loss can be', async () => {
  const given = checkSettings(settings);
  const config = roundConfigOf(given, 1, PARAMETERS, '0'.repeat(64));
  expect(config).toMatchObject({ parameters: PARAMETERS + 2, maximumLoss: 32 });
  expect([...integersOf(weights, config, 1).slice(-2)]).toEqual([0, 0]);
  // a round has either noise or losses; noise would not be left out
  const both = { ...config, secure: { ...config.secure!, noise: 100 } };
  expect([...integersOf(weights, both, 1).slice(0, -2)].some((value) => value !== 0)).toBe(true);
  const one = 2 ** 30 / config.cohort;
  expect(meanLossOf([one / 2, one], [1], config)).toBeCloseTo(16);
  expect(meanLossOf([0, 0], [1], config)).toBeUndefined();
  expect(meanLossOf([-5, one], [1], config)).toBeUndefined();
  expect(meanLossOf([2 ** 30, one], [1], config)).toBeUndefined();
  const body = encodeUpdate(weights, {}, secureRandom());
  expect(lossOf(body)).toBeUndefined();
  expect(lossOf(withLoss(body, 2.5))).toBe(2.5);
  expect(decodeUpdate(withLoss(body, 2.5), PARAMETERS)).toEqual(weights);
  for (const loss of [Number.NaN, -1, Number.POSITIVE_INFINITY])
    expect(() => decodeUpdate(withLoss(body, loss), PARAMETERS)).toThrow(/training loss/);
});
