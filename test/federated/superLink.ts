/** Runs Flower's own SuperLink, SuperNodes and an app, from a Python environment with flwr 1.42. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../freePort.ts';

/** Folder with Flower's commands, e.g. /opt/flower/bin: the tests with Flower are skipped without it. */
export const FLOWER = process.env.FLOWER_BIN;

const app = fileURLToPath(new URL('./flowerApp', import.meta.url));
const run = promisify(execFile);

export interface FlowerResult {
  readonly weights: readonly number[];
  readonly norm: number;
  readonly train: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly evaluate: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface SuperLink {
  readonly url: string;
  /** Starts a SuperNode with the app's Python client. */
  startPythonNode(): Promise<void>;
  /** Runs the app. @param config overrides of its settings, e.g. 'num-rounds=1' */
  run(config: string): Promise<FlowerResult>;
  stop(): Promise<void>;
}

/**
 * @param variables of the app: ESPALIER_START, a .npy file with starting weights; ESPALIER_FINAL, where the server writes the last
 * @param client Python file that replaces the app's client
 */
export async function startSuperLink(
  bin: string,
  variables: Record<string, string> = {},
  client?: string,
): Promise<SuperLink> {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-flower-'));
  const home = join(folder, 'home');
  const result = join(folder, 'result.json');
  const port = await freePort();
  mkdirSync(home);
  cpSync(app, join(folder, 'app'), { recursive: true });
  if (client !== undefined) cpSync(client, join(folder, 'app/espalier_ci/client.py'));
  writeFileSync(
    join(home, 'config.toml'),
    `[superlink]\ndefault = "ci"\n\n[superlink.ci]\naddress = "127.0.0.1:${port}"\ninsecure = true\n`,
  );
  const env = {
    ...process.env,
    ...variables,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    FLWR_HOME: home,
    FLWR_TELEMETRY_ENABLED: '0',
    FLWR_DISABLE_UPDATE_CHECK: '1',
    ESPALIER_RESULT: result,
    OMP_NUM_THREADS: '1',
  };
  const children: ChildProcess[] = [];
  const output: string[] = [];
  /** Starts a command in a process group of its own. */
  const start = (command: string, args: readonly string[], ready?: string): Promise<void> => {
    const child = spawn(join(bin, command), args, { env, detached: true, cwd: folder });
    children.push(child);
    return new Promise((resolve, reject) => {
      if (!ready) resolve();
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (piece: string) => {
          output.push(piece);
          text += piece;
          if (ready && text.includes(ready)) resolve();
        });
      child.on('error', reject).on('exit', (code) => reject(new Error(`${command} ended with ${code}: ${text}`)));
    });
  };
  const stop = async () => {
    const ended = children.map(
      (child) => new Promise((resolve) => (child.exitCode === null ? child.on('exit', resolve) : resolve(0))),
    );
    for (const child of children) if (child.exitCode === null) process.kill(-child.pid!, 'SIGTERM');
    await Promise.race([Promise.all(ended), pause(15_000)]);
    for (const child of children)
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // the group has ended
      }
    rmSync(folder, { recursive: true, force: true });
  };
  start('flower-superlink', [
    '--insecure',
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--disable-runtime-dependency-installation',
  ]).catch(() => {});
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await isHealthy(url)); tries++) {
    if (tries === 120) {
      await stop();
      throw new Error(`the SuperLink does not start: ${output.join('')}`);
    }
    await pause(500);
  }
  const flwr = async (...args: string[]) =>
    JSON.parse((await run(join(bin, 'flwr'), [...args, '--format', 'json'], { env, cwd: folder })).stdout);
  return {
    url,
    stop,
    async startPythonNode() {
      const own = await freePort();
      await start(
        'flower-supernode',
        ['--insecure', '--superlink', `127.0.0.1:${port}`, '--host', '127.0.0.1', '--port', String(own)],
        'SuperNode ID',
      );
    },
    async run(config) {
      const started = (await flwr('run', 'app', 'ci', '--run-config', config)) as Record<string, string>;
      const id = started['run-id'];
      for (let tries = 0; tries < 240; tries++) {
        const { runs } = (await flwr('ls', 'ci', '--run-id', id)) as { runs: { status: string }[] };
        const { status } = runs[0];
        if (status === 'finished:completed') return JSON.parse(readFileSync(result, 'utf8')) as FlowerResult;
        if (status.startsWith('finished'))
          throw new Error(`the run ended as ${status}: ${output.join('').slice(-3000)}`);
        await pause(1000);
      }
      await flwr('stop', id, 'ci');
      throw new Error('the run did not end');
    },
  };
}

async function isHealthy(url: string): Promise<boolean> {
  return fetch(`${url}/health`).then(
    ({ ok }) => ok,
    () => false,
  );
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
