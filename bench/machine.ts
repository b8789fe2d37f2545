/** Describes the machine, to interpret the figures. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os';
import { readBandwidth } from './engines.ts';

export type MachineFacts = Readonly<Record<string, string>>;

/** @param node the Node that runs Espalier */
export async function machineFacts(node: string): Promise<MachineFacts> {
  const load = loadavg()[0];
  const bandwidth = (bytesPerSecond: number) => `${(bytesPerSecond / 1e9).toFixed(1)} GB/s`;
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: String(availableParallelism()),
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    'memory read, 1 thread': bandwidth(await readBandwidth(1)),
    'memory read, 2 threads': bandwidth(await readBandwidth(2)),
    platform: `${platform()} ${arch()}`,
    'busy before': `${load.toFixed(1)} cores over the last minute`,
    node: versionOf(node),
    'node of the peers': process.version,
    ...peerVersions(),
  };
}

function versionOf(program: string): string {
  return execFileSync(program, ['--version'], { encoding: 'utf8' }).trim();
}

function peerVersions(): Record<string, string> {
  const file = new URL('./peers/package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { dependencies: Record<string, string> }).dependencies;
}
