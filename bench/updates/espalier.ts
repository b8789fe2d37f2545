/** Updates of a model through packages on a real HTTP server, which counts the bytes. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256 } from '../../src/formats/download/sha256.node.ts';
import {
  folderPublication,
  installedManifest,
  openComponent,
  openFile,
  openRemote,
  openStore,
  publish,
  pull,
} from '../../src/package/index.ts';
import { type CountingServer, countingServer } from '../updaters.ts';

/** A file of a version on disk. */
export interface StoredFile {
  readonly role: string;
  readonly fileName: string;
  readonly path: string;
}

export interface Update {
  /** Bytes of bodies from the first request of the update to its last. */
  readonly bytes: number;
  /** The same with every version in between pulled. Equal to `bytes` without any. */
  readonly chain: number;
  /** Seconds to publish the last version, to pull it, and to go back to the version before. */
  readonly publishing: number;
  readonly pulling: number;
  readonly rollback: number;
  /** Peak memory of the process that pulls above one that does nothing, in MB. Only measured with `isAlone`. */
  readonly memory?: number;
}

/**
 * @param versions oldest first; a device goes from the first to the last @param folder scratch
 * @param isAlone pulls in a process of its own, from the built package, to measure its memory
 */
export async function update(
  versions: readonly (readonly StoredFile[])[],
  folder: string,
  isAlone = false,
): Promise<Update> {
  const at = (name: string) => join(folder, name);
  mkdirSync(at('site'), { recursive: true });
  const target = await folderPublication(at('site'));
  const server = await countingServer(at('site'));
  try {
    const remote = await openRemote(server.url);
    const [device, follower] = [openStore(at('store')), openStore(at('follower'))];
    let [publishing, chain] = [0, 0];
    for (const [i, files] of versions.entries()) {
      const components = await Promise.all(
        files.map(async ({ path, ...file }) => ({ ...file, source: await openFile(path) })),
      );
      publishing = await seconds(() => publish(target, components, { name: 'model', version: String(i) }));
      await Promise.all(components.map(({ source }) => source.close()));
      if (i === 0) await pull(device, remote);
      if (versions.length === 2) continue;
      server.sent = 0;
      await pull(follower, remote);
      if (i > 0) chain += server.sent;
    }
    const idle = isAlone ? await pullAlone(at('store'), server, ['--idle']) : undefined;
    server.sent = 0;
    let memory: number | undefined;
    const pulling = await seconds(async () => {
      if (!idle) await pull(device, remote);
      else memory = (await pullAlone(at('store'), server)).maxMegabytes - idle.maxMegabytes;
    });
    const bytes = server.sent;
    await compareInstalled(at('store'));
    server.sent = 0;
    const rollback = await seconds(() => device.changing('model', () => device.rollback('model')));
    if (server.sent > 0) throw new Error('going back fetched something');
    return {
      bytes,
      chain: versions.length > 2 ? chain : bytes,
      publishing,
      pulling,
      rollback,
      ...(memory !== undefined && { memory }),
    };
  } finally {
    server.close();
    for (const name of ['site', 'store', 'follower']) rmSync(at(name), { recursive: true, force: true });
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

const script = fileURLToPath(new URL('pullAlone.mjs', import.meta.url));
const built = fileURLToPath(new URL('../../dist/package/index.js', import.meta.url));

function pullAlone(
  store: string,
  server: CountingServer,
  more: readonly string[] = [],
): Promise<{ maxMegabytes: number }> {
  if (!existsSync(built)) throw new Error(`${built} is not there: npm run build makes it`);
  const child = spawn(process.execPath, [script, store, server.url, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (part) => (text += part));
  return new Promise((resolve, reject) =>
    child.once('close', (code) =>
      code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`pulling failed: ${text}`)),
    ),
  );
}

/** Exports every component and compares its hash with the published one. */
async function compareInstalled(folder: string): Promise<void> {
  const store = openStore(folder);
  for (const { role, file } of (await installedManifest(store, 'model')).components) {
    const source = await openComponent(store, 'model', role);
    const exported = sha256();
    for (let from = 0; from < source.size; from += 1 << 20) {
      const part = new Uint8Array(Math.min(1 << 20, source.size - from));
      await source.read(from, part.length, part);
      exported.update(part);
    }
    await source.close();
    if (exported.hex() !== file.sha256) throw new Error(`the installed ${role} is not the published one`);
  }
}
