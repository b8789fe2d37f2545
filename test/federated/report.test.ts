/** The report: dropouts by stage, bytes both ways, refused messages, the same after a restart. */
import { describe, expect, it } from 'vitest';
import {
  checkSettings,
  Federation,
  federationReport,
  httpHandler,
  localConnection,
  memoryJournal,
} from '../../src/federated/index.ts';
import { participant, play, settings, weights } from './clients.ts';

const checked = checkSettings({ ...settings, rounds: 1, cohort: 10, minimumCohort: 3 });

describe('the report of a round', () => {
  it('counts dropouts by stage', async () => {
    const federation = await Federation.open(checked, { journal: memoryJournal(), weights }, 0);
    const connection = localConnection(federation, () => 0);
    const clients = Array.from({ length: 10 }, (_, i) => participant(connection, i));
    for (const client of clients) await client.step();
    expect(federation.round!.phase).toBe('keys');
    // one member withdraws, one sends no keys, two send no update
    await clients[0].withdraw();
    for (const client of clients.slice(2)) await client.step();
    await federation.tick(federation.round!.deadline);
    expect(federation.round!.phase).toBe('update');
    await play(federation, clients.slice(4));
    const [line] = federation.report;
    expect(line).toMatchObject({ outcome: 'closed', joined: 10, contributors: 6 });
    expect(line.dropouts).toEqual({ keys: 1, update: 2, confirm: 0, unmask: 0, withdrawn: 1 });
    expect(federationReport('x', federation.report)).toContain('<td>1 keys, 2 update, 1 withdrawn</td>');
  });

  it('counts members that do not unmask, in a round that is aborted for it', async () => {
    const federation = await Federation.open(checked, { journal: memoryJournal(), weights }, 0);
    const connection = localConnection(federation, () => 0);
    const clients = Array.from({ length: 10 }, (_, i) => participant(connection, i));
    // joins, keys, updates, confirmations
    for (let phase = 0; phase < 4; phase++) for (const client of clients) await client.step();
    expect(federation.round!.phase).toBe('unmask');
    await clients[0].step();
    await federation.tick(federation.round!.deadline);
    expect(federation.report[0]).toMatchObject({
      outcome: 'aborted',
      dropouts: { keys: 0, update: 0, confirm: 0, unmask: 9 },
    });
    expect(federationReport('x', federation.report)).toContain('9 unmask');
  });

  it('counts bytes both ways and refused messages, over restarts too', async () => {
    const journal = memoryJournal();
    let federation = await Federation.open(checked, { journal, weights }, 0);
    let [received, sent, refused] = [0, 0, 0];
    const base = 'http://x/';
    const answer = async (path: string, init?: RequestInit) => {
      const response = await httpHandler(federation, { now: () => 0 })(new Request(new URL(path, base), init));
      const bytes = await response.arrayBuffer();
      sent += bytes.byteLength;
      return bytes;
    };
    const json = async (path: string, init?: RequestInit) =>
      JSON.parse(new TextDecoder().decode(await answer(path, init)));
    const connection = {
      status: (client: string) => json(`status?client=${client}`),
      weights: async (hash: string) => new Float32Array(await answer(`weights?hash=${hash}`)),
      settings: async () => checked,
      send: (message: Uint8Array) => {
        received += message.length;
        return json('messages', { method: 'POST', body: message.slice() });
      },
    };
    const clients = Array.from({ length: 10 }, (_, i) => participant(connection, i));
    for (const client of clients.slice(0, 5)) {
      expect(await connection.send(Uint8Array.of(1, 2, 3))).toMatchObject({ status: 'refused', code: 'BAD_MESSAGE' });
      refused++;
      await client.step();
      federation = await Federation.open(checked, { journal }, 0);
    }
    await play(federation, clients);
    const [line] = federation.report;
    expect(line).toMatchObject({ outcome: 'closed', bytesReceived: received, refused: { BAD_MESSAGE: refused } });
    // receipts that were sent after the last accepted message before a restart are not known any more
    expect(line.bytesSent).toBeLessThanOrEqual(sent);
    expect(line.bytesSent).toBeGreaterThan(0.9 * sent);
    expect(line.bytesSent).toBeGreaterThan(10 * weights.byteLength);
  });
});
