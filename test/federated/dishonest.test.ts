/** Clients of a server that changes its mind, lies, or answers nonsense. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type Connection,
  checkSettings,
  configHash,
  decodeMessage,
  encodeMessage,
  FederatedError,
  Federation,
  type FederationInput,
  httpConnection,
  localConnection,
  memoryJournal,
  type ParticipantEvent,
  type Status,
  signMessage,
} from '../../src/federated/index.ts';
import { identityOf, memoryStore, PARAMETERS, participant, settings, trainerOf } from './clients.ts';

const weights = new Float32Array(PARAMETERS);
const open = (changes: object = {}) =>
  Federation.open(
    checkSettings({ ...settings, rounds: 1, ...changes } as FederationInput),
    { journal: memoryJournal(), weights },
    0,
  );

/** A connection whose server lies in its answers to `status`. */
function lying(connection: Connection, lie: (status: Status) => Status): Connection {
  return { ...connection, status: async (client) => lie(structuredClone(await connection.status(client))) };
}

describe('a round whose settings change after a client joined', () => {
  const visible = ({ config, ...status }: Status): Status => {
    const { secure: _, ...common } = config!;
    return { ...status, config: { ...common, mode: 'visible' } };
  };
  const secured = (changes: object) => (status: Status) =>
    ({ ...status, config: { ...status.config!, secure: { ...status.config!.secure!, ...changes } } }) as Status;

  it.each<[string, (status: Status) => Status]>([
    ['so that the server would see the update', visible],
    ['so that the update would have no noise', secured({ noise: 0 })],
    ['so that the update would be finer', secured({ scale: 2 * 1024 })],
    [
      'so that fewer updates may be summed',
      (status) => ({ ...status, config: { ...status.config!, minimumCohort: 4 } }),
    ],
  ])('is left: %s', async (_, lie) => {
    const privacy = { epsilon: 100, noise: 'distributed', noiseMultiplier: 1 };
    const federation = await open({ privacy });
    const connection = localConnection(federation, () => 0);
    let isLying = false;
    const sent: string[] = [];
    const asking = { phase: 'update', senders: [], sealed: {} } as const;
    const turning = lying(connection, (status) => (isLying ? { ...lie(status), instruction: asking } : status));
    for (const store of [undefined, memoryStore()]) {
      isLying = false;
      const client = participant(turning, store ? 1 : 0, {
        store,
        allowVisible: true,
        onEvent: (event) => sent.push('sent' in event ? event.sent : event.error.code),
      });
      expect(await client.step()).toBe('acted');
      isLying = true;
      await expect(client.step()).rejects.toMatchObject({ code: 'WRONG_SETTINGS' });
      expect(await client.step()).toBe('waiting');
      if (!store) continue;
      // a restart does not forget what the client joined
      const again = participant(turning, 1, { store, allowVisible: true });
      await expect(again.step()).rejects.toMatchObject({ code: 'WRONG_SETTINGS' });
    }
    expect(sent).toEqual(['join', 'join']);
  });
});

describe('a client refuses', () => {
  it('a threshold of half of the neighbours, unless it is allowed', async () => {
    const federation = await open({ secure: { ...settings.secure, threshold: 2 } });
    const connection = localConnection(federation, () => 0);
    await expect(participant(connection, 0).step()).rejects.toThrow(/threshold of 2 of 4 neighbours/);
    expect(await participant(connection, 0, { allowLowThreshold: true }).step()).toBe('acted');
  });

  const privacy = { epsilon: 1, noise: 'distributed' } as const;
  const agreed = { cohort: 6, minimumCohort: 6, privacy };
  const plain = { cohort: 6, minimumCohort: 6 };
  it.each<[string, object, RegExp, object?]>([
    ['less noise', { ...agreed, privacy: { ...privacy, epsilon: 2 } }, /secure.noise is .*, expected/],
    ['no privacy', { ...agreed, privacy: undefined }, /maximumLoss is 32, expected undefined/],
    ['no noise', { ...agreed, privacy: { ...privacy, noise: 'central' } }, /secure.noise is 0, expected/],
    ['a smaller cohort', { ...agreed, minimumCohort: 3 }, /minimumCohort is 3, expected 6/],
    ['another clip', { ...agreed, secure: { clip: 10 } }, /secure\.(clip|scale) is .*, expected/],
    ['a sum weighted by examples', { ...plain, weighting: 'examples' }, /maximumExamples is .*, expected 1/, plain],
    ['an update in the clear', { mode: 'visible', secure: undefined }, /mode is "visible", expected "secure"/],
    ['other training', { ...agreed, training: { model: 'none', steps: 1000 } }, /task.steps is 1000, expected 10/],
  ])('rounds with %s than its owner agreed to', async (_, changes, message, agreedTo = agreed) => {
    const connection = localConnection(await open(changes), () => 0);
    const shown = checkSettings({ ...settings, rounds: 1, ...agreedTo, weighting: 'uniform' });
    const client = participant(connection, 0, { settings: shown, allowVisible: true });
    const refused = client.step();
    await expect(refused).rejects.toMatchObject({ code: 'WRONG_SETTINGS' });
    await expect(refused).rejects.toThrow(message);
  });

  it('more masked updates than its privacy budget allows, also after a restart', async () => {
    const given = {
      weighting: undefined,
      privacy: { epsilon: 20, noise: 'distributed', noiseMultiplier: 2 },
      rounds: 100,
    };
    const store = memoryStore();
    await participant(localConnection(await open(given)), 0, { store }).step();
    const state = JSON.parse(store.text!);
    store.text = JSON.stringify({ ...state, round: undefined, updates: { [state.federation]: 1000 } });
    const again = participant(localConnection(await open(given)), 0, { store });
    await expect(again.step()).rejects.toMatchObject({ code: 'BUDGET_SPENT' });
  });
});

describe('an error of one round', () => {
  it('does not end a client: it withdraws, says why, and takes part in the next round', async () => {
    const federation = await open({ rounds: 2 });
    const connection = localConnection(federation, () => 0);
    let broken = 0;
    // in the first round, one client's sealed shares are damaged
    const damaging = lying(connection, (status) => {
      const { instruction, config } = status;
      if (config?.id !== 'test-1' || instruction.phase !== 'update') return status;
      broken++;
      const [victim] = Object.keys(instruction.sealed!);
      return {
        ...status,
        instruction: { ...instruction, sealed: { ...instruction.sealed, [victim]: btoa('x'.repeat(120)) } },
      };
    });
    const events: ParticipantEvent[] = [];
    const clients = Array.from({ length: 5 }, (_, i) =>
      participant(i === 0 ? damaging : connection, i, i === 0 ? { onEvent: (event) => events.push(event) } : {}),
    );
    await Promise.all(clients.map((client) => client.run({ interval: 1 })));
    expect(broken).toBeGreaterThan(0);
    expect(federation.report.map(({ outcome, contributors }) => [outcome, contributors])).toEqual([
      ['closed', 4],
      ['closed', 5],
    ]);
    const told = events.map((event) => `${event.round} ${'sent' in event ? event.sent : event.error.code}`);
    expect(told.slice(0, 4)).toEqual(['test-1 join', 'test-1 shares', 'test-1 BAD_SHARES', 'test-1 withdraw']);
    expect(told.slice(4)).toContain('test-2 update');
  });

  it('names the member that declared other shares than it sent, before anything is masked', async () => {
    const federation = await open();
    const connection = localConnection(federation, () => 0);
    const [liar] = [identityOf(1)];
    const { config } = federation.round!;
    // declares wrong hashes to client 0
    const declaring: Connection = {
      ...connection,
      send: (bytes) => {
        const message = decodeMessage(bytes);
        if (message.kind !== 'shares') return connection.send(bytes);
        const { signature: _, ...unsigned } = message;
        const wrong = ['0'.repeat(64), '0'.repeat(64)] as [string, string];
        const commitments = { ...message.commitments, [identityOf(0).name]: wrong };
        return connection.send(
          encodeMessage(signMessage({ ...unsigned, commitments }, configHash(config), liar.secretKey)),
        );
      },
    };
    const failures: FederatedError[] = [];
    const onEvent = (event: ParticipantEvent) => 'error' in event && failures.push(event.error);
    const clients = [0, 1, 2, 3, 4].map((i) =>
      participant(i === 1 ? declaring : connection, i, i === 0 ? { onEvent } : {}),
    );
    await Promise.all(clients.map((client) => client.run({ interval: 1 })));
    expect(failures).toMatchObject([{ code: 'BAD_SHARES', data: { client: liar.name } }]);
    expect(federation.report).toMatchObject([{ outcome: 'closed', contributors: 4 }]);
  });

  it('does not make a client send or train again and again when the server refuses its update', async () => {
    const federation = await open({ mode: 'visible', secure: undefined, minimumCohort: 3 });
    const connection = localConnection(federation, () => 0);
    let trained = 0;
    let sent = 0;
    const { train, ...sizes } = trainerOf(0);
    const refusing: Connection = {
      ...connection,
      send: async (message) => {
        sent++;
        if (decodeMessage(message).kind !== 'update') return connection.send(message);
        return { status: 'refused', code: 'TOO_LARGE', reason: 'test' };
      },
    };
    const client = participant(refusing, 0, {
      allowVisible: true,
      trainer: {
        ...sizes,
        train: (...given) => {
          trained++;
          return train(...given);
        },
      },
    });
    const others = [1, 2, 3, 4].map((i) => participant(connection, i, { allowVisible: true }));
    for (const each of [client, ...others]) await each.step();
    for (let i = 0; i < 5; i++) expect(await client.step()).toBe('waiting');
    expect([trained, sent]).toEqual([1, 2]);
  });

  it('of the server at the first step does not harm the client', async () => {
    const federation = await open();
    const connection = localConnection(federation, () => 0);
    const stores = Array.from({ length: 5 }, memoryStore);
    for (const [i, store] of stores.entries()) await participant(connection, i, { store }).step();
    for (const [i, store] of stores.slice(1).entries()) await participant(connection, i + 1, { store }).step();
    let isAway = true;
    const away: Connection = {
      ...connection,
      status: async (client) => {
        if (isAway) throw new TypeError('fetch failed');
        return connection.status(client);
      },
    };
    const client = participant(away, 0, { store: stores[0] });
    await expect(client.step()).rejects.toThrow('fetch failed');
    isAway = false;
    while (!federation.finished) {
      await client.step();
      for (const [i, store] of stores.slice(1).entries()) await participant(connection, i + 1, { store }).step();
    }
    expect(federation.report).toMatchObject([{ outcome: 'closed', contributors: 5 }]);
  });

  it('and the state of another federation are not mixed up', async () => {
    const store = memoryStore();
    const first = await open();
    await participant(
      localConnection(first, () => 0),
      0,
      { store },
    ).step();
    // the same name and number of the round, but another federation
    const second = await open({ maximumExamples: 7 });
    const connection = localConnection(second, () => 0);
    const clients = [0, 1, 2, 3, 4].map((i) => participant(connection, i, i === 0 ? { store } : {}));
    while (!second.finished) for (const client of clients) await client.step();
    expect(second.report).toMatchObject([{ outcome: 'closed', contributors: 5 }]);
  });
});

it('a client refuses a compression that makes updates larger than a server takes', async () => {
  const given = { mode: 'visible', secure: undefined, rounds: 1, minimumCohort: 3 };
  const federation = await open(given);
  const connection = localConnection(federation, () => 0);
  for (const top of [0, 0.5, 1, Number.NaN])
    expect(() => participant(connection, 0, { allowVisible: true, compression: { top } }), `${top}`).toThrow(
      /compression.top.*at most 9 of 20 values/,
    );
  const clients = [0, 1, 2, 3, 4].map((i) =>
    participant(connection, i, { allowVisible: true, compression: { top: 0.45 } }),
  );
  while (!federation.finished) for (const client of clients) await client.step();
  expect(federation.report).toMatchObject([{ outcome: 'closed', contributors: 5 }]);
});

describe('what compression leaves out', () => {
  const given = { mode: 'visible', secure: undefined, rounds: 4, minimumCohort: 3 };
  const compression = { top: 0.25 };

  it('is added to the next update once, also after a restart or if the answer was lost', async () => {
    const play = async (restarts: boolean, loses = false) => {
      const federation = await open(given);
      const connection = localConnection(federation, () => 0);
      let lost = 0;
      const losing: Connection = {
        ...connection,
        send: async (bytes) => {
          const receipt = await connection.send(bytes);
          const { kind, round } = decodeMessage(bytes);
          if (kind !== 'update' || round !== 'test-2') return receipt;
          lost++;
          throw new Error('the connection was closed');
        },
      };
      const stores = Array.from({ length: 5 }, memoryStore);
      const started = () =>
        stores.map((store, i) =>
          participant(loses && i === 0 ? losing : connection, i, { store, compression, allowVisible: true }),
        );
      let clients = started();
      while (!federation.finished) {
        for (const client of clients)
          await client.step().catch((error) => expect(error.message).toBe('the connection was closed'));
        if (restarts) clients = started();
      }
      expect(lost).toBe(loses ? 1 : 0);
      return federation.weights;
    };
    const expected = await play(false);
    expect(await play(true)).toEqual(expected);
    expect(await play(false, true)).toEqual(expected);
    expect(await play(true, true)).toEqual(expected);
    const none = await open(given);
    const plain = [0, 1, 2, 3, 4].map((i) =>
      participant(
        localConnection(none, () => 0),
        i,
        { allowVisible: true },
      ),
    );
    while (!none.finished) for (const client of plain) await client.step();
    expect(none.weights).not.toEqual(expected);
  });

  it('is as before if the server refuses the update', async () => {
    const federation = await open(given);
    const connection = localConnection(federation, () => 0);
    const store = memoryStore();
    const residuals: (string | undefined)[] = [];
    const refusing: Connection = {
      ...connection,
      send: async (bytes) => {
        const isRefused = decodeMessage(bytes).kind === 'update' && federation.round!.config.id === 'test-2';
        return isRefused ? { status: 'refused', code: 'TOO_LATE', reason: 'test' } : connection.send(bytes);
      },
    };
    const clients = [0, 1, 2, 3, 4].map((i) =>
      participant(i === 0 ? refusing : connection, i, { allowVisible: true, compression, ...(i === 0 && { store }) }),
    );
    for (let turn = 0; !federation.finished; turn++) {
      if (turn > 60) throw new Error('stuck');
      const results = [];
      for (const client of clients) results.push(await client.step());
      residuals[federation.report.length] = JSON.parse(store.text!).residual;
      if (!results.includes('acted') && federation.round) await federation.tick(federation.round.deadline);
    }
    const [, first, second, third] = residuals;
    expect(first).toBeDefined();
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });
});

describe('answers over HTTP', () => {
  async function answering(
    answer: string | Uint8Array | ((response: ServerResponse) => void),
    work: (connection: Connection) => Promise<void>,
    patience = 0,
  ): Promise<void> {
    const respond = typeof answer === 'function' ? answer : (response: ServerResponse) => response.end(answer);
    const server = createServer((_, response) => respond(response)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await work(httpConnection(`http://127.0.0.1:${port}`, { patience })).finally(() => server.close());
  }

  it.each([
    'null',
    '{}',
    '[]',
    'x',
    '{"federation":"a","weightsHash":"b","instruction":{"phase":"open"}}',
    `{"federation":"a","weightsHash":"${'0'.repeat(64)}","instruction":null}`,
    `{"federation":"a","weightsHash":"${'0'.repeat(64)}","instruction":{"phase":"unmask","survivors":null}}`,
    `{"federation":"a","weightsHash":"${'0'.repeat(64)}","config":null,"instruction":{"phase":"open"}}`,
  ])('are checked: %s', async (body) => {
    await answering(body, async (connection) => {
      for (const asked of [connection.status(identityOf(0).name), connection.send(new Uint8Array(4))])
        await expect(asked).rejects.toMatchObject({ code: 'BAD_ANSWER' });
      await expect(connection.settings()).rejects.toThrow(FederatedError);
    });
  });

  it('are asked for again if the server dies while it sends them', async () => {
    const body = new Uint8Array(4 * PARAMETERS);
    let asked = 0;
    const cutting = (response: ServerResponse) => {
      response.setHeader('content-length', body.length);
      if (asked++ === 0) response.write(body.subarray(0, 10), () => response.destroy());
      else response.end(body);
    };
    await answering(
      cutting,
      async (connection) => {
        expect(await connection.weights('0'.repeat(64), PARAMETERS)).toHaveLength(PARAMETERS);
        expect(asked).toBe(2);
      },
      60_000,
    );
  });

  it('of a refusal are read to a limit only', async () => {
    const refusing = (length: number) => (response: ServerResponse) => {
      response.statusCode = 400;
      response.end(JSON.stringify({ code: 'BAD_MESSAGE', message: 'x'.repeat(length) }));
    };
    await answering(refusing(5), async (connection) => {
      await expect(connection.settings()).rejects.toMatchObject({ code: 'BAD_MESSAGE' });
    });
    await answering(refusing(1 << 20), async (connection) => {
      await expect(connection.settings()).rejects.toMatchObject({ code: 'REFUSED' });
    });
  });

  it('hold no more weights than the model has', async () => {
    await answering(new Uint8Array(4 * PARAMETERS + 4), async (connection) => {
      await expect(connection.weights('0'.repeat(64), PARAMETERS)).rejects.toThrow(/larger than 80 bytes/);
    });
  });
});
