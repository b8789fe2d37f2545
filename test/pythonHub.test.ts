/**
 * Hugging Face's Python client and Espalier on one cache: what one downloads the other finds, and they wait for each other.
 * Needs a Python with huggingface_hub: python3, or the one that HUB_PYTHON names.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../src/core/random.ts';
import { locateOnHub } from '../src/formats/download/locateOnHub.ts';
import { type HubServer, startHub } from './hubServer.ts';

const python = process.env.HUB_PYTHON ?? 'python3';
const havePython = spawnSync(python, ['-c', 'import huggingface_hub']).status === 0;
if (!havePython) console.log(`skipped: ${python} has no huggingface_hub (HUB_PYTHON names another Python)`);

const COMMIT = 'a'.repeat(40);
const random = seededRandom(5);
const bytes = Uint8Array.from({ length: 3_000_000 }, () => random.integer(256));
const config = new TextEncoder().encode('{"model_type":"llama"}');

describe.skipIf(!havePython)("with Hugging Face's Python client", () => {
  let hub: HubServer;
  let home: string;
  const before = { ...process.env };
  beforeEach(async () => {
    hub = await startHub();
    hub.publish(COMMIT, { 'x.gguf': bytes, 'deep/config.json': config });
    home = await mkdtemp(join(tmpdir(), 'espalier-hf-'));
    for (const name of Object.keys(process.env))
      if (/^HF_|^HUGGING|^ESPALIER_CACHE/.test(name)) delete process.env[name];
    Object.assign(process.env, { HF_HOME: home, HF_ENDPOINT: hub.url, HF_HUB_DISABLE_TELEMETRY: '1' });
  });
  afterEach(async () => {
    process.env = { ...before };
    await hub.close();
    await rm(home, { recursive: true });
  });

  /** Runs Python with hf_hub_download as `get`. @returns what it prints */
  function run(code: string): Promise<string> {
    const child = spawn(python, ['-c', `from huggingface_hub import hf_hub_download as get\n${code}`]);
    let output = '';
    let errors = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (errors += text));
    return new Promise((resolve, reject) =>
      child.on('close', (status) => (status === 0 ? resolve(output.trim()) : reject(new Error(errors)))),
    );
  }

  async function download(name: string): Promise<Uint8Array> {
    const { folder, file } = locateOnHub(name);
    const source = (await folder.open(file ?? 'config.json'))!;
    const all = new Uint8Array(source.size);
    await source.read(0, all.length, all);
    await source.finish?.();
    await source.close();
    return all;
  }

  /** Requests for the bytes of x.gguf. */
  const downloads = () => hub.requests.filter(({ method, path }) => method === 'GET' && path.startsWith('/cdn')).length;
  const gets = () => hub.requests.filter(({ method }) => method === 'GET').length;

  it('finds what Python downloaded, online and offline', async () => {
    await run(`get('owner/repo', 'x.gguf'); get('owner/repo', 'deep/config.json')`);
    hub.requests.length = 0;
    expect(Buffer.compare(await download('hf:owner/repo/x.gguf'), bytes)).toBe(0);
    expect(Buffer.compare(await download('hf:owner/repo/deep'), config)).toBe(0);
    expect(gets()).toBe(0);
    process.env.HF_HUB_OFFLINE = '1';
    hub.requests.length = 0;
    expect(Buffer.compare(await download('hf:owner/repo/x.gguf'), bytes)).toBe(0);
    expect(hub.requests).toEqual([]);
    await expect(download('hf:owner/repo/y.gguf')).rejects.toThrow('HF_HUB_OFFLINE');
  });

  it('downloads what Python finds, online and offline', async () => {
    await download('hf:owner/repo/x.gguf');
    await download('hf:owner/repo/deep');
    hub.requests.length = 0;
    const path = await run(`print(get('owner/repo', 'x.gguf'))`);
    expect(path).toBe(join(home, 'hub/models--owner--repo/snapshots', COMMIT, 'x.gguf'));
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0);
    expect(gets()).toBe(0);
    const offline = await run(`print(get('owner/repo', 'deep/config.json', local_files_only=True))`);
    expect(await readFile(offline, 'utf8')).toBe('{"model_type":"llama"}');
    const scanned = await run(
      `from huggingface_hub import scan_cache_dir as scan\nfound = scan()\nprint(len(found.repos), len(found.warnings), found.size_on_disk)`,
    );
    expect(scanned).toBe(`1 0 ${bytes.length + config.length}`);
  });

  it('remembers missing files as Python does', async () => {
    const { folder } = locateOnHub('hf:owner/repo');
    expect(await folder.open('chat_template.jinja')).toBeUndefined();
    const found = await run(
      `from huggingface_hub import try_to_load_from_cache as look, _CACHED_NO_EXIST as none\nprint(look('owner/repo', 'chat_template.jinja') is none)`,
    );
    expect(found).toBe('True');
  });

  it.skipIf(process.platform !== 'linux')(
    'waits while Python downloads, and Python waits while it downloads',
    async () => {
      hub.fault = () => ({ delay: 1000 });
      const theirs = run(`get('owner/repo', 'x.gguf')`);
      while (downloads() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      await Promise.all([theirs, download('hf:owner/repo/x.gguf')]);
      expect(downloads()).toBe(1);
      await rm(join(home, 'hub'), { recursive: true });
      hub.requests.length = 0;
      const ours = download('hf:owner/repo/x.gguf');
      while (downloads() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      await Promise.all([ours, run(`get('owner/repo', 'x.gguf')`)]);
      expect(downloads()).toBe(1);
    },
  );

  it('sends the token that Python stored', async () => {
    await writeFile(join(home, 'token'), 'hf_stored\n');
    hub.requests.length = 0;
    await download('hf:owner/repo/deep');
    expect(hub.requests[0].authorization).toBe('Bearer hf_stored');
    expect(await run(`from huggingface_hub import get_token\nprint(get_token())`)).toBe('hf_stored');
  });
});
