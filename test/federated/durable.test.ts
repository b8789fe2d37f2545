/** What is acknowledged is durable: answers wait for the journal, and a message that arrives while a snapshot is written is not lost. */
import { expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import {
  checkSettings,
  encodeMessage,
  encodeUpdate,
  Federation,
  httpHandler,
  type Journal,
  localConnection,
  memoryJournal,
  type RoundMessage,
} from '../../src/federated/index.ts';
import { identityOf, PARAMETERS, settings, weights } from './clients.ts';

const { secure: _, ...common } = settings;
const given = checkSettings({ ...common, mode: 'visible', cohort: 2, minimumCohort: 2, asynchronous: {} });

/** A journal whose operations wait while it is held. */
class HeldJournal implements Journal {
  readonly #journal = memoryJournal();
  #isHeld = false;
  #held: { resume(): void; fail(error: Error): void }[] = [];
  readonly read = () => this.#journal.read();
  readonly close = () => this.#journal.close();

  hold(): void {
    this.#isHeld = true;
  }

  release(error?: Error): void {
    this.#isHeld = false;
    for (const { resume, fail } of this.#held.splice(0)) error ? fail(error) : resume();
  }

  async append(...entry: Parameters<Journal['append']>): Promise<void> {
    await this.#turn();
    await this.#journal.append(...entry);
  }

  async replace(snapshot: Uint8Array): Promise<void> {
    await this.#turn();
    await this.#journal.replace(snapshot);
  }

  #turn(): Promise<void> | undefined {
    if (!this.#isHeld) return undefined;
    return new Promise((resume, fail) => this.#held.push({ resume, fail }));
  }
}

const head = (client: number) => ({ round: 'test-1', client: identityOf(client).name, signature: '0'.repeat(128) });
const join = (client: number): Uint8Array => encodeMessage({ kind: 'join', ...head(client), examples: 1 });
const update = (client: number): Uint8Array => {
  const body = encodeUpdate(new Float32Array(PARAMETERS).fill(client), {}, seededRandom(1));
  return encodeMessage({ kind: 'update', ...head(client), body } satisfies RoundMessage);
};

async function start(changes: object = {}) {
  const journal = new HeldJournal();
  const federation = await Federation.open({ ...given, ...changes }, { journal, weights, signed: false }, 0);
  const handle = httpHandler(federation, { now: () => 0 });
  return { journal, federation, get: (path: string) => handle(new Request(`http://server${path}`)) };
}

/** A turn of the event loop, after which nothing moves that does not wait for the journal. */
const turn = () => new Promise((resolve) => setTimeout(resolve));

/** Says whether each promise is pending, has a value, or an error. */
async function statesOf(promises: readonly Promise<unknown>[]): Promise<string[]> {
  const states = promises.map(() => 'pending');
  for (const [i, promise] of promises.entries())
    promise.then(
      () => (states[i] = 'resolved'),
      () => (states[i] = 'rejected'),
    );
  await turn();
  return states;
}

it('takes a message while the snapshot is written, and calls no federation finished that goes on', async () => {
  const { journal, federation, get } = await start();
  for (const client of [0, 1, 2]) await federation.receive(join(client), 0);
  await federation.receive(update(0), 0);
  journal.hold();
  const last = federation.receive(update(1), 0);
  await turn();
  const meanwhile = federation.receive(update(2), 0);
  const status = localConnection(federation).status('x');
  expect(federation.status('x').instruction.phase).not.toBe('finished');
  expect(await (await get('/report.jsonl')).text()).toBe('');
  expect(federation.weights).toEqual(weights);
  expect(await statesOf([last, meanwhile, status])).toEqual(Array(3).fill('pending'));
  journal.release();
  expect(await Promise.all([last, meanwhile])).toEqual(Array(2).fill({ status: 'accepted' }));
  expect((await status).instruction).toEqual({ phase: 'closed' });
  expect(federation.status('x').instruction).toEqual({ phase: 'open' });
  expect(federation.round!.contributors).toMatchObject([{ client: identityOf(2).name, staleness: 1 }]);
  expect(await (await get('/report.jsonl')).text()).toContain('"contributors":2');
  expect(federation.weights[0]).toBeCloseTo(0.5, 5);
});

it('says that it is finished only when its result is durable', async () => {
  const { journal, federation } = await start({ rounds: 1 });
  for (const client of [0, 1]) await federation.receive(join(client), 0);
  await federation.receive(update(0), 0);
  journal.hold();
  const last = federation.receive(update(1), 0);
  await turn();
  expect([federation.finished, federation.status('x').instruction.phase]).toEqual(['', 'closed']);
  journal.release();
  await last;
  expect(federation.status('x').instruction).toEqual({ phase: 'finished', reason: 'all rounds are done' });
  expect(await federation.receive(update(0), 0)).toMatchObject({
    code: 'TOO_LATE',
    reason: 'the federation is finished: all rounds are done',
  });
});

it('answers when the journal has what the answer tells, and reads the next message meanwhile', async () => {
  const { journal, federation, get } = await start();
  journal.hold();
  const receipts = [federation.receive(join(0), 0), federation.receive(join(1), 0)];
  await turn();
  expect(federation.round!.joined).toBe(2);
  const answers = [...receipts, localConnection(federation).status('x'), get('/status?client=x')];
  expect(await statesOf(answers)).toEqual(Array(4).fill('pending'));
  journal.release();
  expect(await statesOf(answers)).toEqual(Array(4).fill('resolved'));
});

it('acknowledges nothing after an error of the journal', async () => {
  const { journal, federation, get } = await start();
  journal.hold();
  const receipts = [federation.receive(join(0), 0), federation.receive(join(1), 0)];
  await turn();
  const told = [...receipts, localConnection(federation).status('x')];
  const response = get('/status?client=x');
  const states = statesOf(told);
  await Promise.resolve();
  journal.release(new Error('the disk is full'));
  expect(await states).toEqual(Array(3).fill('rejected'));
  expect((await response).status).toBe(500);
  await expect(federation.receive(join(2), 0)).rejects.toThrow('the disk is full');
  await expect(federation.tick(0)).rejects.toThrow('the disk is full');
  expect((await get('/status?client=x')).status).toBe(500);
});

it('refuses a journal whose accepted message it would refuse now', async () => {
  const journal = memoryJournal();
  const federation = await Federation.open(given, { journal, weights, signed: false }, 0);
  await federation.receive(join(0), 0);
  const { entries } = await journal.read();
  const all: Uint8Array[] = [];
  for await (const entry of entries) all.push(entry);
  await journal.append(all.at(-1)!);
  await expect(Federation.open(given, { journal, weights, signed: false }, 0)).rejects.toMatchObject({
    code: 'BAD_JOURNAL',
    message: 'a message that was accepted is duplicate now',
  });
});
