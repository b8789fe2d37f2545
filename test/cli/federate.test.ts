/** Federations through the command line: a server and clients in processes of their own, killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { loadAdapter } from '../../src/index.ts';
import { freePort } from '../freePort.ts';
import { text } from '../train/tinyRun.ts';
import { espalier } from './espalier.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'espalier-federate-'));
const path = (name: string) => join(folder, name);
const dimensions = { width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 64, layers: 2, vocabulary: 320 };
const settings = {
  name: 'gardens',
  rounds: 3,
  cohort: 3,
  deadlines: { open: 120, keys: 120, update: 120, unmask: 120 },
  training: { model: path('base.gguf'), lora: { rank: 4 }, steps: 2, batch: 2, sequence: 16, learningRate: 0.01 },
};
const children = new Set<ChildProcess>();

beforeAll(async () => {
  writeFileSync(path('base.gguf'), await makeModel({ architecture: 'llama', format: 'Q8_0', dimensions }));
  writeFileSync(path('settings.json'), JSON.stringify(settings));
  for (const client of [1, 2, 3]) {
    mkdirSync(path(`texts-${client}`));
    writeFileSync(path(`texts-${client}/notes.txt`), text.slice(100 * client, 100 * client + 900));
  }
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcess;
  /** Exit code and everything printed. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
  readonly output: () => string;
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [main, 'federate', ...args], { cwd: folder });
  children.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
  const ended = new Promise<{ code: number | null; output: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, output })),
  );
  return { child, ended, output: () => output };
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isTrue()); tries++) {
    if (tries > 900) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('espalier federate', () => {
  it('trains an adapter with three clients, although server and clients are killed', { timeout: 240_000 }, async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const serve = () =>
      start(
        'serve',
        'settings.json',
        '--folder',
        'journal',
        '--port',
        `${port}`,
        '--output',
        'out.gguf',
        '--linger',
        '8',
        '--threads',
        '1',
        '--json',
      );
    const join_ = (client: number, ...more: string[]) =>
      start('join', url, '--data', `texts-${client}`, '--state', `state-${client}`, '--yes', '--threads', '1', ...more);
    const isUp = () =>
      fetch(`${url}/settings`).then(
        ({ ok }) => ok,
        () => false,
      );
    const first = serve();
    await until('the server answers', isUp);
    const [one, two] = [join_(1, '--personal', 'mine.gguf'), join_(2)];
    const killed = join_(3);
    // killed after it joined, in the middle of a round
    await until('a client has joined', () => existsSync(path('state-3/round.json')));
    killed.child.kill('SIGKILL');
    await killed.ended;
    first.child.kill('SIGKILL');
    await first.ended;
    const three = join_(3);
    const second = serve();
    const results = await Promise.all([one.ended, two.ended, three.ended, second.ended]);
    for (const { code, output } of results) expect(code, output).toBe(0);
    const report = results[3].output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    expect(report.filter(({ outcome }) => outcome === 'closed').length).toBeGreaterThan(0);
    expect(report.every(({ outcome, contributors }) => outcome === 'aborted' || contributors === 3)).toBe(true);
    expect((await loadAdapter(path('out.gguf'))).factors.size).toBe(4);
    expect(readFileSync(path('mine.gguf')).equals(readFileSync(path('out.gguf')))).toBe(false);
  });

  it('asks before anything leaves, and says what', async () => {
    const port = await freePort();
    writeFileSync(path('visible.json'), JSON.stringify({ ...settings, mode: 'visible' }));
    const server = start('serve', 'visible.json', '--folder', 'other', '--port', `${port}`, '--threads', '1');
    const url = `http://127.0.0.1:${port}`;
    await until('the server answers', () =>
      fetch(`${url}/settings`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const refused = await espalier(['federate', 'join', url, '--data', path('texts-1'), '--state', path('new')]);
    expect(refused.code).not.toBe(0);
    expect(refused.stdout).toContain('The server SEES YOUR UPDATE');
    const unwilling = await espalier([
      'federate',
      'join',
      url,
      '--data',
      path('texts-1'),
      '--state',
      path('new'),
      '--yes',
    ]);
    expect(unwilling.stderr).toMatch(/shows this client's update to the server/);
    const joining = ['federate', 'join', url, '--data', path('texts-1'), '--state', path('new')];
    writeFileSync(path('friends'), `${'A'.repeat(64)}\n`);
    const trusting = await espalier([...joining, '--trusted', path('friends')]);
    expect(trusting.stderr).toMatch(/--trusted.*a visible round has no roster/);
    server.child.kill('SIGTERM');
    await server.ended;
  }, 120_000);

  it('trains asynchronously, and says how stale updates were', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const given = { ...settings, mode: 'visible', rounds: 2, cohort: 2, asynchronous: { maximumStaleness: 3 } };
    writeFileSync(path('asynchronous.json'), JSON.stringify(given));
    const common = ['--threads', '1'];
    const server = start(
      'serve',
      'asynchronous.json',
      '--folder',
      'buffer',
      '--port',
      `${port}`,
      '--linger',
      '1',
      ...common,
    );
    await until('the server answers', () =>
      fetch(`${url}/settings`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const clients = [1, 2].map((i) =>
      start('join', url, '--data', `texts-${i}`, '--state', `buffer-${i}`, '--yes', '--allow-visible', ...common),
    );
    const { code, output } = await server.ended;
    expect(code).toBe(0);
    expect(output).toMatch(/gardens-1: 2 updates, staleness 0\.0 \(at most 0\)/);
    for (const { child } of clients) child.kill('SIGKILL');
    await Promise.all(clients.map(({ ended }) => ended));
    expect(clients[0].output()).toContain('in 2 versions of up to 2 updates');
  }, 120_000);

  it('refuses a model that clients could not download, a folder that another server uses, and steps of nothing', async () => {
    mkdirSync(path('model-folder'));
    const training = { ...settings.training, model: path('model-folder') };
    writeFileSync(path('folder.json'), JSON.stringify({ ...settings, training }));
    const refused = await espalier(['federate', 'serve', path('folder.json'), '--folder', path('unused')]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/training\.model.*model-folder.*a file/);
    const steps = ['--data', path('texts-1'), '--personal-steps', '3'];
    const alone = await espalier(['federate', 'join', 'http://127.0.0.1:1/', ...steps]);
    expect(alone.code).not.toBe(0);
    expect(alone.stderr).toMatch(/--personal-steps is 3, expected --personal/);
    const port = await freePort();
    const first = start('serve', 'settings.json', '--folder', 'shared', '--port', `${port}`, '--threads', '1');
    await until('the server answers', () =>
      fetch(`http://127.0.0.1:${port}/settings`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const second = await espalier([
      'federate',
      'serve',
      path('settings.json'),
      '--folder',
      path('shared'),
      '--port',
      '0',
    ]);
    expect(second.code).not.toBe(0);
    expect(second.stderr).toMatch(/another process uses this folder/);
    first.child.kill('SIGTERM');
    await first.ended;
  }, 120_000);

  it('tells the server at Ctrl-C, trusts only listed keys, and refuses what cannot be compressed', async () => {
    const port = await freePort();
    const server = start('serve', 'settings.json', '--folder', 'left', '--port', `${port}`, '--threads', '1');
    const url = `http://127.0.0.1:${port}`;
    await until('the server answers', () =>
      fetch(`${url}/settings`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const joining = ['join', url, '--data', path('texts-1'), '--state', path('leaving'), '--yes', '--threads', '1'];
    const client = start(...joining);
    const journal = () => readFileSync(path('left/journal-1'), 'latin1');
    await until('the client has joined', () => journal().includes('"kind":"join"'));
    client.child.kill('SIGINT');
    await client.ended;
    expect(journal()).toContain('"kind":"withdraw"');
    writeFileSync(path('keys'), `# gardeners\n${'a'.repeat(64)} # Ann\nBob\n`);
    const refused = async (...options: string[]) => (await espalier(['federate', ...joining, ...options])).stderr;
    expect(await refused('--trusted', path('keys'))).toMatch(/line 3 is not a public key/);
    expect(await refused('--compress', '8')).toMatch(/masked updates cannot be compressed/);
    server.child.kill('SIGTERM');
    await server.ended;
  }, 120_000);

  it('refuses settings with all their problems', async () => {
    writeFileSync(path('wrong.json'), JSON.stringify({ ...settings, rounds: 0, extra: 1 }));
    const { code, stderr } = await espalier(['federate', 'serve', path('wrong.json')]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/rounds: .*extra/s);
    const help = await espalier(['federate', 'serve', '--help']);
    expect(help.stdout).toContain('noiseMultiplier');
  });
});
