/** TypeScript nodes and Python SuperNodes in one real Flower federation. Needs flwr 1.42: FLOWER_BIN=/folder/of/its/commands */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FederatedError, FlowerNode, flowerKey, type RecordDict } from '../../src/federated/index.ts';
import { memoryStore } from './clients.ts';
import { FLOWER, type SuperLink, startSuperLink } from './superLink.ts';

if (!FLOWER) console.log('skipped: FLOWER_BIN names no folder with the commands of flwr 1.42');

/** Adds 3 to every value, with 30 examples. */
async function handle({ type, content }: { type: string; content: RecordDict }): Promise<RecordDict> {
  const { arrays } = content;
  if (arrays.kind !== 'arrays') throw new Error('no arrays');
  const { weights } = arrays.arrays;
  const data = weights.data as Float32Array;
  if (type === 'evaluate') {
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    return { metrics: { kind: 'metrics', values: { loss: mean, 'num-examples': 30n } } };
  }
  return {
    arrays: { kind: 'arrays', arrays: { weights: { ...weights, data: data.map((value) => value + 3) } } },
    metrics: { kind: 'metrics', values: { train_loss: 2, 'num-examples': 30n } },
  };
}

describe.skipIf(!FLOWER)('a Flower federation', { timeout: 300_000 }, () => {
  let link: SuperLink;
  const stopping = new AbortController();
  beforeAll(async () => {
    link = await startSuperLink(FLOWER!);
  }, 120_000);
  afterAll(async () => {
    stopping.abort();
    await link?.stop();
  }, 60_000);

  it('averages what a Python node and ours send, weighted by examples', async () => {
    const kinds: string[] = [];
    const key = flowerKey();
    const ours = new FlowerNode(link.url, key, {
      handle,
      onEvent: ({ kind, messageType }) => void kinds.push(`${kind} ${messageType ?? ''}`.trim()),
    });
    await ours.start();
    const running = ours.run({ signal: stopping.signal });
    await link.startPythonNode();
    // 9 MiB, so that the array takes two slices
    const size = 2_400_000;
    const { weights, train, evaluate } = await link.run(`num-rounds=2 size=${size}`);
    // (10 · 1 + 30 · 3) / 40 = 2.5 a round
    expect(weights.slice(0, 6)).toEqual([5, 6, 7, 8, 9, 10]);
    expect(train['1'].train_loss).toBeCloseTo(1.75, 6);
    expect(Object.keys(evaluate)).toEqual(['1', '2']);
    expect(kinds).toEqual([
      'online',
      'received train',
      'replied train',
      'received evaluate',
      'replied evaluate',
      'received train',
      'replied train',
      'received evaluate',
      'replied evaluate',
    ]);
    stopping.abort();
    await running;
    await ours.stop();
    // a key that registered itself is spent
    await expect(new FlowerNode(link.url, key, { handle }).start()).rejects.toMatchObject({ data: { status: 412 } });
  });

  it('continues after a crash with the message that it had, and replies once', async () => {
    const key = flowerKey();
    const store = memoryStore();
    const kinds: string[] = [];
    const [first, second] = [new AbortController(), new AbortController()];
    let crash = () => {};
    const crashed = new Promise<void>((resolve) => {
      crash = resolve;
    });
    // beside the Python node of the test before; the first process never ends its handler, as if it were killed while it trains
    const before = new FlowerNode(link.url, key, {
      store,
      handle: () => {
        first.abort();
        crash();
        return new Promise(() => {});
      },
    });
    await before.start();
    void before.run({ signal: first.signal });
    const result = link.run('num-rounds=1 size=6');
    await crashed;
    const after = new FlowerNode(link.url, key, { handle, store, onEvent: ({ kind }) => void kinds.push(kind) });
    await after.start();
    expect(after.nodeId).toBe(before.nodeId);
    const running = after.run({ signal: second.signal });
    expect((await result).weights).toEqual([2.5, 3.5, 4.5, 5.5, 6.5, 7.5]);
    expect(kinds).toEqual(['online', 'received', 'replied', 'received', 'replied']);
    second.abort();
    await running;
    await after.stop();
    await before.stop().catch(() => {});
  });

  it('refuses strangers', async () => {
    const failing = new FlowerNode(link.url, flowerKey(), { handle });
    await expect(failing.start({ isRegistered: true })).rejects.toThrow(FederatedError);
    await expect(failing.step()).rejects.toThrow(/not been started/);
  });
});
