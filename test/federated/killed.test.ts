/** A federation of processes that are killed at every stage of a round, and one whose messages come many times, late and in another order. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  checkSettings,
  Federation,
  localConnection,
  memoryJournal,
  type ReportLine,
} from '../../src/federated/index.ts';
import { freePort } from '../freePort.ts';
import { PARAMETERS, participant, pointOf, settings, trainerOf } from './clients.ts';

const script = fileURLToPath(new URL('process.mjs', import.meta.url));
const CLIENTS = 5;
/** Without both of them, no phase of a round can end. */
const STOPPED = [0, 1];
/** Seconds. */
const deadlines = { open: 300, keys: 300, update: 300, unmask: 300 };

/** What is killed while clients 0 and 1 stand before or after their message of a phase. */
interface Case {
  readonly phase: string;
  readonly moment: 'before' | 'after';
  readonly killed: 'clients' | 'server' | 'both';
}
const casesOf = (...phases: string[]): Case[] =>
  phases.flatMap((phase) => [
    { phase, moment: 'before', killed: 'server' },
    { phase, moment: 'before', killed: 'clients' },
    { phase, moment: 'after', killed: 'both' },
  ]);
/** All clients contribute to each version, so that the result does not depend on who is fast. */
const asynchronous = { ...settings, mode: 'visible', secure: undefined, minimumCohort: CLIENTS, asynchronous: {} };

interface Result {
  readonly report: readonly ReportLine[];
  readonly weights: readonly number[];
}

const folders: string[] = [];
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The processes of one federation. */
class Processes {
  readonly folder = mkdtempSync(join(tmpdir(), 'espalier-killed-'));
  readonly #port: number;
  readonly #settings: object;
  readonly #client: object;
  readonly #running = new Map<string, ChildProcess>();
  #errors = '';

  private constructor(port: number, settings: object, client: object) {
    folders.push(this.folder);
    this.#port = port;
    this.#settings = settings;
    this.#client = client;
  }

  /** @param client options of all clients, see process.mjs */
  static async start(settings: object, client: object): Promise<Processes> {
    const processes = new Processes(await freePort(), settings, client);
    processes.startServer();
    for (let i = 0; i < CLIENTS; i++) processes.startClient(i);
    return processes;
  }

  startServer(): void {
    this.#start('server', { port: this.#port, settings: this.#settings, parameters: PARAMETERS });
  }

  startClient(client: number): void {
    const { examples } = trainerOf(client);
    const own = { client, point: [...pointOf(client)], examples, scale: settings.secure.scale };
    this.#start('client', { url: `http://127.0.0.1:${this.#port}`, ...own, ...this.#client }, client);
  }

  async kill(name: string): Promise<void> {
    const child = this.#running.get(name)!;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async until(isTrue: () => boolean, what: string): Promise<void> {
    for (let tries = 0; !isTrue(); tries++) {
      if (this.#errors || tries > 6000) throw new Error(`in vain: ${what} ${this.#errors}`);
      await pause(20);
    }
  }

  has(file: string): boolean {
    return existsSync(join(this.folder, file));
  }

  async result(): Promise<Result> {
    await this.until(() => this.has('finished.json'), 'the end');
    await this.kill('server');
    return JSON.parse(readFileSync(join(this.folder, 'finished.json'), 'utf8'));
  }

  #start(kind: 'server' | 'client', options: object, client?: number): void {
    const child = spawn(process.execPath, [script, kind, JSON.stringify({ folder: this.folder, ...options })]);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    children.add(child);
    this.#running.set(client === undefined ? kind : `client-${client}`, child);
  }
}

/** The same federation in one process that nothing happens to. */
async function undisturbed(rounds: number, given: object = settings): Promise<number[]> {
  const options = { journal: memoryJournal(), weights: new Float32Array(PARAMETERS) };
  const federation = await Federation.open(checkSettings({ ...given, deadlines, rounds }), options, 0);
  const connection = localConnection(federation, () => 0);
  const clients = Array.from({ length: CLIENTS }, (_, i) => participant(connection, i, { allowVisible: true }));
  while (!federation.finished) for (const client of clients) await client.step();
  return [...federation.weights];
}

function expectClosed({ report }: Result, rounds: number): void {
  expect(report).toHaveLength(rounds);
  for (const line of report) expect(line).toMatchObject({ outcome: 'closed', contributors: CLIENTS });
}

describe('a federation of processes', () => {
  it.each([
    { kind: 'secure', given: settings, cases: casesOf('open', 'keys', 'update', 'confirm', 'unmask') },
    { kind: 'asynchronous', given: asynchronous, cases: casesOf('open', 'update') },
  ])(
    'has the same result when server and clients are killed at every stage of a round: $kind',
    async ({ given, cases }) => {
      const rounds = cases.length;
      const roundOf = (index: number) => `${settings.name}-${index + 1}`;
      const stops = cases.map(({ phase, moment }, i) => ({ round: roundOf(i), phase, moment }));
      const processes = await Processes.start({ ...given, deadlines, rounds }, { stops, allowVisible: true });
      for (const [i, { phase, moment, killed }] of cases.entries()) {
        const names = STOPPED.map((client) => `stopped-${roundOf(i)}-${client}`);
        // a round ends as soon as it has enough shares, so that one of the two may not be asked for its own
        const isThere = (name: string) => processes.has(name);
        const isReached = () => (phase === 'unmask' && moment === 'after' ? names.some(isThere) : names.every(isThere));
        await processes.until(isReached, `${phase} ${moment}`);
        if (killed !== 'server') for (const client of STOPPED) await processes.kill(`client-${client}`);
        if (killed !== 'clients') await processes.kill('server');
        writeFileSync(join(processes.folder, `${roundOf(i)}-released`), '');
        if (killed !== 'clients') processes.startServer();
        if (killed !== 'server') for (const client of STOPPED) processes.startClient(client);
      }
      const result = await processes.result();
      expectClosed(result, rounds);
      expect(result.weights).toEqual(await undisturbed(rounds, given));
    },
    240_000,
  );

  it('has the same result when every message comes 100 times more, late and in another order', async () => {
    const processes = await Processes.start({ ...settings, deadlines, rounds: 2 }, { copies: 100, repeating: STOPPED });
    const result = await processes.result();
    expectClosed(result, 2);
    expect(result.weights).toEqual(await undisturbed(2));
  });
});
