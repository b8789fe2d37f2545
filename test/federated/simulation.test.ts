/** Simulations end: with too few clients, with dropouts, with evaluations, and when they are aborted. */
import { describe, expect, it } from 'vitest';
import { checkSettings, simulate } from '../../src/federated/index.ts';
import { settings } from './clients.ts';

const weights = new Float32Array(4);
const visible = (changes: object = {}) =>
  checkSettings({ ...settings, mode: 'visible', secure: undefined, ...changes });
const pull = async (_: number, now: Float32Array) => now.map((weight) => (1 - weight) / 2);

describe('a simulation', () => {
  it('fails by name when rounds are aborted again and again, because of too few clients or of dropouts', async () => {
    await expect(
      simulate(visible({ minimumCohort: 3 }), { clients: 2, weights, train: pull, maximumAborts: 4 }),
    ).rejects.toMatchObject({
      code: 'ABORTED',
      message: '4 rounds in a row were aborted, the last one: 2 clients joined, expected at least 3',
    });
    await expect(simulate(visible(), { clients: 9, weights, train: async () => undefined })).rejects.toThrow(
      /10 rounds in a row were aborted, the last one: 0 members sent updates/,
    );
  });

  it('stops when its signal aborts, by a timer too', async () => {
    const signal = AbortSignal.timeout(50);
    const endless = simulate(visible({ rounds: 1e9, deadlines: { open: 1e6 } }), {
      clients: 9,
      weights,
      train: pull,
      signal,
    });
    await expect(endless).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('trains only clients that were accepted, and goes on after rounds that were aborted', async () => {
    const trained = new Map<string, number[]>();
    let asked = 0;
    const { report } = await simulate(visible({ rounds: 2, evaluation: { every: 1, devices: 0.5, cohort: 3 } }), {
      clients: 60,
      weights,
      train: async (client, now, { id }) => {
        trained.set(id, [...(trained.get(id) ?? []), client]);
        return asked++ < 3 ? undefined : pull(client, now);
      },
      evaluate: async (_, now) => 1 - now[0],
    });
    const [first] = report;
    expect(first).toMatchObject({ kind: 'train', outcome: 'aborted', joined: 5, contributors: 0 });
    for (const { kind, round, joined } of report) if (kind === 'train') expect(trained.get(round)).toHaveLength(joined);
  });

  it('evaluates on clients that never train, and repeats its result', async () => {
    const once = async () => {
      const [trained, evaluated] = [new Set<number>(), new Set<number>()];
      const { report } = await simulate(visible({ evaluation: { every: 1, devices: 0.3, cohort: 4 } }), {
        clients: 100,
        weights,
        train: async (client, now) => {
          trained.add(client);
          return pull(client, now);
        },
        evaluate: async (client, now) => {
          evaluated.add(client);
          return client + now[0];
        },
      });
      expect([...evaluated].filter((client) => trained.has(client))).toEqual([]);
      const lines = report.filter(({ kind }) => kind === 'evaluate');
      expect(lines.map(({ outcome, contributors }) => [outcome, contributors])).toEqual(
        Array.from({ length: 3 }, () => ['closed', 4]),
      );
      return lines.map(({ loss }) => loss);
    };
    expect(await once()).toEqual(await once());
    await expect(simulate(visible({ evaluation: {} }), { clients: 100, weights, train: pull })).rejects.toMatchObject({
      code: 'BAD_SETTINGS',
    });
  });
});
