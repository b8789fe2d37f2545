/** Other updaters beside Espalier's packages: each returns the bytes that it needs to get from the file `old` to the file `new`. */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A folder behind an HTTP server that counts the bytes of bodies. */
export interface CountingServer {
  readonly url: string;
  sent: number;
  close(): void;
}

export async function countingServer(folder: string): Promise<CountingServer> {
  const server = createServer((request, response) => {
    const path = join(folder, normalize(decodeURIComponent(request.url!)));
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return void response.writeHead(404).end();
    const ranges = [...(request.headers.range ?? '').matchAll(/(\d+)-(\d*)/g)].map(([, first, last]) => ({
      start: Number(first),
      end: last ? Math.min(size, Number(last) + 1) : size,
    }));
    if (ranges.length === 0) {
      counting.sent += size;
      return void response
        .writeHead(200, { 'content-length': size, 'accept-ranges': 'bytes' })
        .end(readPart(path, 0, size));
    }
    if (ranges.length === 1) {
      const [{ start, end }] = ranges as [{ start: number; end: number }];
      const part = readPart(path, start, end);
      counting.sent += part.length;
      const range = `bytes ${start}-${end - 1}/${size}`;
      return void response.writeHead(206, { 'content-length': part.length, 'content-range': range }).end(part);
    }
    // zsync asks for many ranges at a time
    const parts = ranges.flatMap(({ start, end }) => [
      Buffer.from(`\r\n--espalier\r\ncontent-range: bytes ${start}-${end - 1}/${size}\r\n\r\n`),
      readPart(path, start, end),
    ]);
    const body = Buffer.concat([...parts, Buffer.from('\r\n--espalier--\r\n')]);
    counting.sent += body.length;
    const type = 'multipart/byteranges; boundary=espalier';
    response.writeHead(206, { 'content-length': body.length, 'content-type': type }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const counting: CountingServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    sent: 0,
    close: () => server.close(),
  };
  return counting;
}

function readPart(path: string, start: number, end: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, end - start));
  const file = openSync(path, 'r');
  try {
    for (let done = 0; done < bytes.length; ) done += readSync(file, bytes, done, bytes.length - done, start + done);
  } finally {
    closeSync(file);
  }
  return bytes;
}

export interface Updater {
  readonly name: string;
  /** Largest file that it is run with. */
  readonly mostBytes?: number;
  /** @param folder has the files old and new; others in it may be written @returns undefined if the tool is not installed or failed */
  bytes(folder: string): Promise<number | undefined>;
}

/** A tool that writes one patch file. */
function patcher(
  name: string,
  command: (at: (file: string) => string) => readonly string[],
  mostBytes = Number.POSITIVE_INFINITY,
): Updater {
  return {
    name,
    mostBytes,
    async bytes(folder) {
      const at = (file: string) => join(folder, file);
      rmSync(at('patch'), { force: true });
      const [program, ...args] = command(at);
      await run(program, args, folder);
      return statSync(at('patch'), { throwIfNoEntry: false })?.size;
    },
  };
}

/** A control file with checksums of blocks, then the ranges that changed. */
const zsync: Updater = {
  name: 'zsync',
  async bytes(folder) {
    const server = await countingServer(folder);
    try {
      if ((await run('zsyncmake', ['-u', `${server.url}new`, '-o', 'new.zsync', 'new'], folder)) !== 0)
        return undefined;
      // it would take what an earlier row left there
      for (const left of ['zsync.out', 'zsync.out.part']) rmSync(join(folder, left), { force: true });
      const status = await run('zsync', ['-q', '-i', 'old', '-o', 'zsync.out', `${server.url}new.zsync`], folder);
      return status === 0 && same(folder, 'zsync.out') ? server.sent : undefined;
    } finally {
      server.close();
    }
  },
};

/** Chunks cut by content, compressed, by hash: the index and the chunks that the old file does not have. */
const casync: Updater = {
  name: 'casync',
  async bytes(folder) {
    for (const name of ['old.castr', 'new.castr']) {
      rmSync(join(folder, name), { recursive: true, force: true });
      mkdirSync(join(folder, name));
    }
    for (const name of ['old', 'new'])
      if ((await run('casync', ['make', `--store=${name}.castr`, `${name}.caibx`, name], folder)) !== 0)
        return undefined;
    const chunks = (name: string) => readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' });
    const before = new Set(chunks('old.castr'));
    const added = chunks('new.castr').filter((chunk) => chunk.endsWith('.cacnk') && !before.has(chunk));
    const sizes = added.map((chunk) => statSync(join(folder, 'new.castr', chunk)).size);
    return sizes.reduce((sum, size) => sum + size, statSync(join(folder, 'new.caibx')).size);
  },
};

/** Both directions: checksums of blocks up, new bytes down. */
const rsync: Updater = {
  name: 'rsync',
  async bytes(folder) {
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    const config = join(folder, 'rsyncd.conf');
    writeFileSync(config, `use chroot = no\n[files]\npath = ${folder}\nread only = yes\nuid = 0\ngid = 0\n`);
    const daemon = spawn(
      'rsync',
      ['--daemon', '--no-detach', `--port=${port}`, '--address=127.0.0.1', `--config=${config}`],
      {
        stdio: 'ignore',
      },
    );
    try {
      await new Promise((resolve, reject) => {
        daemon.once('error', reject);
        setTimeout(resolve, 500);
      });
      writeFileSync(join(folder, 'rsync.out'), readFileSync(join(folder, 'old')));
      const url = `rsync://127.0.0.1:${port}/files/new`;
      const { stdout } = spawnSync('rsync', ['--no-whole-file', '--ignore-times', '-z', '--stats', url, 'rsync.out'], {
        cwd: folder,
      });
      if (!same(folder, 'rsync.out')) return undefined;
      const total = (name: string) =>
        Number(new RegExp(`Total bytes ${name}: ([\\d,.]+)`).exec(String(stdout))?.[1]?.replace(/\D/g, ''));
      return total('sent') + total('received');
    } catch {
      return undefined;
    } finally {
      daemon.kill();
    }
  },
};

const xetFolder = fileURLToPath(new URL('peers/xet/', import.meta.url));

/** New chunks as Xet's storage cuts them; what its index needs is not counted. */
const xet: Updater = {
  name: 'xet',
  async bytes(folder) {
    const { status, stdout } = spawnSync(process.execPath, [join(xetFolder, 'newChunks.mjs'), 'old', 'new'], {
      cwd: folder,
    });
    return status === 0 ? Number(String(stdout)) : undefined;
  },
};

/** Installs what is missing of the peers: Debian's packages as root, Xet's chunker with npm. What fails stays absent. */
export function installUpdaters(): void {
  const programs = ['bsdiff', 'xdelta3', 'zstd', 'zsync', 'casync', 'rsync'];
  const absent = programs.filter((program) => spawnSync('which', [program]).status !== 0);
  if (absent.length > 0) {
    console.error(`installing ${absent.join(', ')}`);
    spawnSync('apt-get', ['update', '-qq'], { stdio: 'ignore' });
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...absent], {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  if (!existsSync(join(xetFolder, 'node_modules')))
    spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: xetFolder, stdio: 'ignore' });
}

export const updaters: readonly Updater[] = [
  // it needs 17 bytes of memory per byte of the old file
  patcher('bsdiff', (at) => ['bsdiff', at('old'), at('new'), at('patch')], 150e6),
  patcher('xdelta3', (at) => ['xdelta3', '-f', '-9', '-e', '-s', at('old'), at('new'), at('patch')], 150e6),
  patcher(
    'zstd',
    (at) => [
      'zstd',
      '-f',
      '-q',
      '-19',
      '--long=27',
      `--patch-from=${at('old')}`,
      at('new'),
      '-o',
      at('patch'),
      // a quarter of an hour for 600 MB
    ],
    150e6,
  ),
  zsync,
  casync,
  rsync,
  xet,
];

/** @returns the exit status; undefined if the program is not installed */
function run(program: string, args: readonly string[], folder: string): Promise<number | undefined> {
  const child = spawn(program, args, { cwd: folder, stdio: 'ignore' });
  return new Promise((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('close', (status) => resolve(status ?? undefined));
  });
}

function same(folder: string, file: string): boolean {
  const path = join(folder, file);
  return (
    statSync(path, { throwIfNoEntry: false }) !== undefined &&
    readFileSync(path).equals(readFileSync(join(folder, 'new')))
  );
}
