/** Bundles of `model-signing` and repositories of python-tuf: we accept what they accept, and refuse what they refuse. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/formats/sources/memory.ts';
import {
  compareModel,
  readPublicKey,
  TrustError,
  TufClient,
  type TufState,
  verifyBundle,
} from '../../src/package/index.ts';

interface Golden {
  readonly made: string;
  readonly oms: readonly {
    readonly name: string;
    readonly files: Readonly<Record<string, string>>;
    readonly bundle: string;
    readonly publicKey: string;
    /** 'accepted', or the error of model-signing. */
    readonly verdict: string;
  }[];
  readonly tuf: readonly {
    readonly name: string;
    readonly root: string;
    readonly steps: readonly {
      readonly path: string;
      readonly files: Readonly<Record<string, string>>;
      /** SHA-256 of the target, 'NO_TARGET', or the error of python-tuf. */
      readonly verdict: string;
    }[];
  }[];
}

const golden: Golden = JSON.parse(gunzipSync(readFileSync(new URL('trust.golden.gz', import.meta.url))).toString());
const utf8 = (text: string) => new TextEncoder().encode(text);

describe('bundles of OpenSSF Model Signing', () => {
  for (const { name, files, bundle, publicKey, verdict } of golden.oms) {
    it(name, async () => {
      const listed = Object.entries(files).map(([name, text]) => ({ name, source: memorySource(utf8(text)) }));
      const verify = async () => {
        const signed = await verifyBundle(utf8(bundle), await readPublicKey(publicKey, 'key.pub'), 'model.sig');
        await compareModel(signed, listed, 'model');
      };
      // model-signing 1.1.1 writes shard_size as 1000.0 and then cannot read it
      if (verdict === 'accepted' || verdict.includes("'float' object cannot be interpreted")) await verify();
      else await expect(verify()).rejects.toBeInstanceOf(TrustError);
    });
  }

  it('are refused with every byte flipped, or still say the same', async () => {
    const { files, bundle, publicKey } = golden.oms.find(({ name }) => name === 'as signed')!;
    const key = await readPublicKey(publicKey, 'key.pub');
    const expected = await verifyBundle(utf8(bundle), key, 'model.sig');
    expect(expected.resources).toHaveLength(Object.keys(files).length);
    let refused = 0;
    for (let i = 0; i < bundle.length; i++) {
      const damaged = utf8(bundle);
      damaged[i] ^= 1;
      const found = await verifyBundle(damaged, key, 'model.sig').catch((error) => {
        if (!(error instanceof TrustError)) throw error;
        refused++;
      });
      if (found) expect(found).toEqual(expected);
    }
    expect(refused).toBeGreaterThan(0.9 * bundle.length);
  });
});

/** Names of the attacks that have one. */
const codes: Readonly<Record<string, string>> = {
  'an older timestamp, and after it one that is older still than the trusted': 'ROLLBACK',
  'a newer timestamp with an older snapshot': 'ROLLBACK',
  'a newer snapshot with older targets': 'ROLLBACK',
  'a newer snapshot without targets': 'ROLLBACK',
  'an older delegated role': 'ROLLBACK',
  'an old root in place of the next': 'ROLLBACK',
  'an expired timestamp': 'EXPIRED',
  'an expired snapshot': 'EXPIRED',
  'an expired targets': 'EXPIRED',
  'an expired root': 'EXPIRED',
  'a snapshot of another time': 'MIX_AND_MATCH',
  'targets of another time': 'MIX_AND_MATCH',
  'targets of another time, without hashes in the metadata': 'MIX_AND_MATCH',
  'thresholds of two': 'BAD_SIGNATURE',
  'signed by keys of other roles': 'BAD_SIGNATURE',
  'a new root key that the old one did not sign': 'BAD_SIGNATURE',
  'a new root key that did not sign itself': 'BAD_SIGNATURE',
  'missing files': 'NOT_SIGNED',
};

describe('repositories of The Update Framework', () => {
  for (const { name, root, steps } of golden.tuf) {
    it(name, async () => {
      let state: TufState = { root };
      for (const [i, { path, files, verdict }] of steps.entries()) {
        const client = new TufClient(state, {
          name: 'repository',
          read: async (file) => (Object.hasOwn(files, file) ? utf8(files[file]) : undefined),
          keep: async (next) => {
            // what is kept is stored as JSON
            state = JSON.parse(JSON.stringify(next));
          },
          now: () => new Date(golden.made),
        });
        const answer = async () => {
          await client.refresh();
          return (await client.findTarget(path)).hashes.sha256;
        };
        const where = `step ${i}`;
        if (/^[0-9a-f]{64}$/.test(verdict)) expect(await answer(), where).toBe(verdict);
        else {
          const error = await answer().catch((error) => error);
          expect(error, where).toBeInstanceOf(TrustError);
          if (verdict === 'NO_TARGET') expect(error.code, where).toBe('NO_TARGET');
          else if (codes[name]) expect(error.code, where).toBe(codes[name]);
        }
      }
    });
  }

  it('cannot be frozen by a clock that is set back', async () => {
    const { root, steps } = golden.tuf.find(({ name }) => name === 'an expired timestamp')!;
    const [first, expired] = steps as [(typeof steps)[number], (typeof steps)[number]];
    let state: TufState = { root };
    const refresh = (files: Readonly<Record<string, string>>, now: string) =>
      new TufClient(state, {
        name: 'repository',
        read: async (file) => (Object.hasOwn(files, file) ? utf8(files[file]) : undefined),
        keep: async (next) => {
          state = next;
        },
        now: () => new Date(now),
      }).refresh();
    await refresh(first.files, golden.made);
    await expect(refresh(expired.files, golden.made)).rejects.toMatchObject({ code: 'EXPIRED' });
    await expect(refresh(expired.files, '2020-01-01T00:00:00Z')).rejects.toMatchObject({ code: 'CLOCK_SET_BACK' });
    await refresh(first.files, golden.made);
  });
});
