import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryPublication } from '../../../test/memoryPublication.ts';
import { seededRandom } from '../../core/random.ts';
import { openComponent } from '../../formats/packages/componentSource.ts';
import { memoryFiles } from '../../formats/packages/memoryFiles.ts';
import { PackageStore } from '../../formats/packages/packageStore.ts';
import { memorySource } from '../../formats/sources/memory.ts';
import { publish } from './publish.ts';
import { pull } from './pull.ts';
import type { Remote } from './remote.ts';

const SIZE = 6_000_000;
/** Bytes of a read, the most that is fetched twice. */
const READ = 32 * 1024;
const PART = 'packages/card/part';

/** A published card of two pieces that cannot be compressed. */
async function published(seed: number): Promise<Map<string, Uint8Array>> {
  const random = seededRandom(seed);
  const words = Uint32Array.from({ length: SIZE / 4 }, () => random.integer(2 ** 32));
  const files = new Map<string, Uint8Array>();
  const source = memorySource(new Uint8Array(words.buffer));
  await publish(memoryPublication(files), [{ role: 'card', fileName: 'card.bin', source }], {
    name: 'card',
    version: '1',
  });
  return files;
}

let site: Map<string, Uint8Array>;
beforeAll(async () => {
  site = await published(1);
});
let raw: Map<string, Uint8Array>;
let sent = 0;
beforeEach(() => {
  raw = new Map();
  sent = 0;
});

/** Stops answering after `most` bytes of files. */
function remoteWith(files: Map<string, Uint8Array>, most = Number.POSITIVE_INFINITY, onRead = () => {}): Remote {
  const remote = memoryPublication(files);
  return {
    ...remote,
    async open(path, offset, length) {
      const run = await remote.open(path, offset, length);
      if (!run || !path.startsWith('files/')) return run;
      return {
        ...run,
        async read(into) {
          if (sent + into.length > most) throw new Error('the connection broke');
          await run.read(into);
          sent += into.length;
          onRead();
        },
      };
    },
  };
}

const pullFrom = (remote: Remote) => pull(new PackageStore(memoryFiles(raw)), remote);

async function installed(): Promise<Uint8Array> {
  const source = await openComponent(new PackageStore(memoryFiles(raw)), 'card', 'card');
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes.length, bytes).finally(() => source.close());
  return bytes;
}

const fileOf = (files: Map<string, Uint8Array>) => [...files].find(([path]) => path.startsWith('files/'))!;

describe('an interrupted pull', () => {
  it('goes on within a piece, and leaves nothing behind', async () => {
    let most = 0;
    let pulls = 0;
    for (; pulls < 9; pulls++) {
      most += 900_000;
      const error = await pullFrom(remoteWith(site, most)).catch((error: Error) => error);
      if (!(error instanceof Error)) break;
      expect(error.message).toBe('the connection broke');
      // nothing that was received is fetched again
      expect(raw.has(PART)).toBe(true);
    }
    expect(pulls).toBe(6);
    expect(sent).toBe(SIZE);
    expect(raw.has(PART)).toBe(false);
    expect(Buffer.compare(await installed(), fileOf(site)[1])).toBe(0);
  });

  it('fetches the whole piece where the stored part is damaged, or the published file was repaired', async () => {
    await expect(pullFrom(remoteWith(site, 2_000_000))).rejects.toThrow('broke');
    const part = raw.get(PART)!.slice();
    raw.get(PART)![1000] ^= 1;
    sent = 0;
    await pullFrom(remoteWith(site));
    expect(sent).toBe(SIZE);

    raw.clear();
    const [path, bytes] = fileOf(site);
    const damaged = new Map(site).set(path, bytes.slice().fill(0, 0, 100));
    sent = 0;
    await expect(pullFrom(remoteWith(damaged, 2_000_000))).rejects.toThrow('broke');
    expect(raw.get(PART)!.length).toBe(part.length);
    sent = 0;
    await pullFrom(remoteWith(site));
    expect(sent).toBeGreaterThan(SIZE);
    expect(Buffer.compare(await installed(), bytes)).toBe(0);
    // and a file that is still damaged is refused by name
    raw.clear();
    sent = 0;
    await expect(pullFrom(remoteWith(damaged, 2_000_000))).rejects.toThrow('broke');
    await expect(pullFrom(remoteWith(damaged))).rejects.toMatchObject({ code: 'BAD_PIECE' });
  });

  it('keeps what it has every few seconds, for a process that is killed', async () => {
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000));
    let kept: Map<string, Uint8Array> | undefined;
    try {
      await pullFrom(
        remoteWith(site, SIZE, () => {
          if (sent > 3_000_000) kept ??= new Map([...raw].map(([path, bytes]) => [path, bytes.slice()]));
        }),
      );
    } finally {
      clock.mockRestore();
    }
    raw = kept!;
    sent = 0;
    await pullFrom(remoteWith(site));
    expect(sent).toBeGreaterThan(SIZE - 3_000_000 - READ);
    expect(sent).toBeLessThan(SIZE - 3_000_000 + 10 * READ);
  });
});

it('refuses a published file that is shorter than its manifest says, before it is read', async () => {
  const [path, bytes] = fileOf(site);
  const short = new Map(site).set(path, bytes.subarray(0, 5_000_000));
  await expect(pullFrom(remoteWith(short))).rejects.toMatchObject({
    code: 'BAD_PUBLICATION',
    message: expect.stringContaining('has 5000000 bytes, expected at least'),
  });
});
