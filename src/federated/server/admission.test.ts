/** One attacker with many names: without limits it fills every cohort, with them it does not. */
import { describe, expect, it } from 'vitest';
import { settings, weights } from '../../../test/federated/clients.ts';
import { seededRandom } from '../../core/random.ts';
import { encodeUpdate } from '../client/compression.ts';
import { identity } from '../client/identity.ts';
import { encodeMessage, signMessage } from '../round/messages.ts';
import { type AdmissionOptions, networkOf } from './admission.ts';
import { Federation } from './federation.ts';
import { httpHandler } from './httpHandler.ts';
import { memoryJournal } from './journal.ts';
import { checkSettings } from './settings.ts';

const honest = [1, 2, 3].map((i) => identity(new Uint8Array(32).fill(i)));
const { secure: _, ...given } = settings;

/** An attacker joins a round under 50 names, then three honest clients join. Returns how many of the honest ones did. */
async function flooded(admission: AdmissionOptions): Promise<{ joined: number; reasons: string[]; refused: object }> {
  const federation = await Federation.open(
    checkSettings({ ...given, mode: 'visible', cohort: 5, rounds: 1 }),
    { journal: memoryJournal(), weights, admission },
    0,
  );
  const handle = httpHandler(federation, { now: () => 0 });
  const join = async ({ name, secretKey }: ReturnType<typeof identity>, address: string) => {
    const { config, configHash } = federation.round!;
    const message = { kind: 'join', round: config.id, client: name, examples: 1 } as const;
    const body = encodeMessage(signMessage(message, configHash, secretKey)).slice();
    const response = await handle(new Request('http://x/messages', { method: 'POST', body }), address);
    return (await response.json()) as { status: string; reason?: string };
  };
  const reasons: string[] = [];
  for (let i = 0; i < 50; i++) reasons.push((await join(identity(), `2001:db8:1:2::${i}`)).reason ?? '');
  const receipts = [];
  for (const [i, client] of honest.entries()) receipts.push(await join(client, `10.0.0.${i}`));
  await federation.tick(1e9);
  return {
    joined: receipts.filter(({ status }) => status === 'accepted').length,
    reasons,
    refused: federation.report[0].refused,
  };
}

describe('a server', () => {
  it('lets everybody in without limits, so one attacker fills the cohort', async () => {
    expect(await flooded({})).toMatchObject({ joined: 0 });
  });

  it('lets few clients of one address in', async () => {
    const { joined, reasons, refused } = await flooded({ maximumPerAddress: 2 });
    expect(joined).toBe(3);
    expect(reasons.filter((reason) => reason === '')).toHaveLength(2);
    expect(reasons.at(-1)).toBe(
      '2 clients of 2001:db8:1:2::/64 have joined round test-1, which is the maximum for one address',
    );
    expect(refused).toEqual({ NOT_ADMITTED: 48 });
  });

  it('counts names of one address that still train from earlier versions, but none that have contributed', async () => {
    const federation = await Federation.open(
      checkSettings({ ...given, mode: 'visible', cohort: 1, rounds: 9, asynchronous: {} }),
      { journal: memoryJournal(), weights, admission: { maximumPerAddress: 2 }, signed: false },
      0,
    );
    const send = async (client: string, isUpdate: boolean) => {
      const head = { round: federation.round!.config.id, client: client.padStart(64, '0'), signature: '0'.repeat(128) };
      const body = encodeUpdate(weights, {}, seededRandom(1));
      const message = isUpdate
        ? ({ kind: 'update', ...head, body } as const)
        : ({ kind: 'join', ...head, examples: 1 } as const);
      return (await federation.receive(encodeMessage(message), 0, '10.0.0.1')).code ?? 'accepted';
    };
    expect([await send('a', false), await send('b', false)]).toEqual(['accepted', 'accepted']);
    // ends the version
    expect(await send('b', true)).toBe('accepted');
    expect(federation.report).toHaveLength(1);
    expect([await send('c', false), await send('d', false)]).toEqual(['accepted', 'NOT_ADMITTED']);
  });

  it('lets only listed clients in', async () => {
    const { joined, reasons } = await flooded({ allowed: new Set(honest.map(({ name }) => name)) });
    expect(joined).toBe(3);
    expect(reasons.every((reason) => reason.endsWith("is not on the server's list of clients"))).toBe(true);
  });

  it('takes addresses of one IPv6 network, and both spellings of IPv4, for one', () => {
    expect(networkOf('::ffff:10.1.2.3')).toBe('10.1.2.3');
    expect(networkOf('10.1.2.3')).toBe('10.1.2.3');
    expect(networkOf('2001:DB8::1')).toBe('2001:db8:0:0::/64');
    expect(networkOf('2001:db8:0:0:ffff::2')).toBe('2001:db8:0:0::/64');
    expect(networkOf('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
    expect(networkOf('::1')).toBe('0:0:0:0::/64');
  });
});
