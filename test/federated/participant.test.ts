/** Clients that are refused, restarted with other options, or withdrawn, and servers that answer nonsense for a while. */
import { describe, expect, it } from 'vitest';
import {
  type Connection,
  checkSettings,
  decodeMessage,
  FederatedError,
  Federation,
  type FederationInput,
  localConnection,
  memoryJournal,
  type ParticipantEvent,
} from '../../src/federated/index.ts';
import { identityOf, memoryStore, participant, settings, weights } from './clients.ts';

const open = (changes: object = {}, options: object = {}) =>
  Federation.open(
    checkSettings({ ...settings, rounds: 1, ...changes } as FederationInput),
    { journal: memoryJournal(), weights, ...options },
    0,
  );
const patiently = { timeout: 60_000 };
const nonsense = () => new FederatedError('BAD_ANSWER', 'the answer is not JSON');

describe('nonsense of a server', () => {
  it('does not end a client, unless it does not stop', async () => {
    const federation = await open();
    const connection = localConnection(federation, () => 0);
    let bad = 3;
    const client = participant(
      {
        ...connection,
        status: async (name) => {
          if (bad-- > 0) throw nonsense();
          return connection.status(name);
        },
      },
      0,
    );
    for (let i = 0; i < 3; i++) expect(await client.step()).toBe('waiting');
    expect(await client.step()).toBe('acted');
    bad = Number.POSITIVE_INFINITY;
    await expect(client.run({ interval: 0 })).rejects.toMatchObject({ code: 'BAD_ANSWER' });
  });

  it('as the answer to a withdrawal is reported', async () => {
    const connection = localConnection(await open({ mode: 'visible', secure: undefined, minimumCohort: 3 }), () => 0);
    const codes: string[] = [];
    const away: Connection = {
      ...connection,
      send: (bytes) => (decodeMessage(bytes).kind === 'withdraw' ? Promise.reject(nonsense()) : connection.send(bytes)),
      weights: () => Promise.reject(nonsense()),
    };
    const onEvent = (event: ParticipantEvent) => 'error' in event && codes.push(event.error.code);
    const clients = [0, 1, 2, 3, 4].map((i) =>
      participant(i === 0 ? away : connection, i, { allowVisible: true, onEvent }),
    );
    for (const client of clients) await client.step();
    const stopping = new AbortController();
    const ended = expect(clients[0].run({ interval: 1, signal: stopping.signal })).rejects.toThrow(/abort/);
    await expect.poll(() => codes.length, patiently).toBe(2);
    stopping.abort();
    await ended;
    expect(codes).toEqual(['BAD_ANSWER', 'BAD_ANSWER']);
  });
});

describe('a client that is started again', () => {
  it('with a list that lacks a member leaves the round, and takes part in the next one', async () => {
    const federation = await open({ rounds: 2 });
    const connection = localConnection(federation, () => 0);
    const store = memoryStore();
    const clients = [0, 1, 2, 3, 4].map((i) => participant(connection, i, i === 0 ? { store } : {}));
    for (let turn = 0; turn < 2; turn++) for (const client of clients) await client.step();
    // its own key may be missing
    const trusted = new Set([1, 2, 3].map((i) => identityOf(i).name));
    const again = participant(connection, 0, { store, trusted });
    const events: string[] = [];
    const telling = participant(connection, 0, {
      store,
      trusted,
      onEvent: (event) => events.push('sent' in event ? event.sent : event.error.code),
    });
    await expect(again.step()).rejects.toThrow(/not trusted/);
    expect(await again.step()).toBe('waiting');
    const stopping = new AbortController();
    const running = telling.run({ interval: 1, signal: stopping.signal }).catch(() => {});
    await expect.poll(() => events.includes('withdraw'), patiently).toBe(true);
    stopping.abort();
    await running;
    expect(events).toEqual(['BAD_ROSTER', 'withdraw']);
  });

  it('in a federation after another one still knows its updates', async () => {
    const privacy = { epsilon: 20, noise: 'distributed', noiseMultiplier: 2 };
    const first = { weighting: undefined, privacy, rounds: 100 };
    const store = memoryStore();
    const joined = async (changes: object) =>
      participant(
        localConnection(await open(changes), () => 0),
        0,
        { store },
      ).step();
    await joined(first);
    const state = JSON.parse(store.text!);
    store.text = JSON.stringify({ ...state, updates: { [state.federation]: 1000 } });
    expect(await joined({ ...first, name: 'other' })).toBe('acted');
    await expect(joined(first)).rejects.toMatchObject({ code: 'BUDGET_SPENT' });
  });
});

describe('a client', () => {
  it('does not ask again for a round that does not admit it', async () => {
    const admission = { allowed: new Set([identityOf(1).name]) };
    const connection = localConnection(await open({}, { admission }), () => 0);
    const sent: string[] = [];
    const client = participant(connection, 0, { onEvent: (event) => 'sent' in event && sent.push(event.sent) });
    for (let i = 0; i < 3; i++) expect(await client.step()).toBe('waiting');
    expect(sent).toEqual(['join']);
  });

  it('that withdraws while it gets ready does not join', async () => {
    const federation = await open();
    let ready = (_: boolean) => {};
    const isReady = () => new Promise<boolean>((resolve) => (ready = resolve));
    const client = participant(
      localConnection(federation, () => 0),
      0,
      { isReady },
    );
    const step = client.step();
    await new Promise((resolve) => setTimeout(resolve));
    await client.withdraw();
    ready(true);
    expect(await step).toBe('waiting');
    expect(federation.round!.joined).toBe(0);
  });

  it('that withdraws while it joins is no member', async () => {
    const federation = await open();
    const connection = localConnection(federation, () => 0);
    let joins = () => {};
    const joining = new Promise<void>((resolve) => {
      joins = resolve;
    });
    const slow: Connection = {
      ...connection,
      send: async (bytes) => {
        if (decodeMessage(bytes).kind === 'join') {
          joins();
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return connection.send(bytes);
      },
    };
    const client = participant(slow, 0);
    const step = client.step();
    await joining;
    await client.withdraw();
    await step;
    expect(federation.round!.dropouts.withdrawn).toBe(1);
  });

  it('refuses options that would have no effect', async () => {
    const connection = localConnection(await open(), () => 0);
    const compressing = participant(connection, 0, { compression: { bits: 8 } });
    await expect(compressing.step()).rejects.toThrow(/compression.*none/);
    const visible = localConnection(await open({ mode: 'visible', secure: undefined, minimumCohort: 3 }), () => 0);
    const trusting = participant(visible, 0, { allowVisible: true, trusted: new Set() });
    await expect(trusting.step()).rejects.toThrow(/trusted.*none/);
  });
});
