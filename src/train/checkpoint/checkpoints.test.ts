import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { typeScriptNode } from '../../../test/typeScriptNode.ts';
import { FormatError, SourceError } from '../../core/errors.ts';
import { memorySink } from '../../formats/byteSink.ts';
import { safetensorsBytes } from '../../formats/safetensors/write.ts';
import { memorySource } from '../../formats/sources/memory.ts';
import { formatByName } from '../../tensor/formats.ts';
import type { CheckpointFolder } from './checkpointFolder.ts';
import { bestCheckpoint, checkpointName, lastCheckpoint, saveCheckpoint } from './checkpoints.ts';
import { readTrainingCheckpoint, type TrainingState, writeTrainingCheckpoint } from './trainingCheckpoint.ts';

let temporary: string;
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'espalier-checkpoints-'));
});
afterAll(() => rm(temporary, { recursive: true }));
const newFolder = () => mkdtemp(join(temporary, 'run-'));

const state = (step: number, losses: readonly (readonly [step: number, loss: number])[] = []): TrainingState => ({
  step,
  evaluations: losses.map(([step, loss]) => ({ step, loss })),
  data: 'abc',
  settings: { variant: 'f32' },
  recipe: { seed: 1 },
});
const tensors = (value: number) => [
  { name: 'blk.0.attn_q.weight', shape: [2, 3], values: () => new Float32Array(6).fill(value) },
  { name: 'adam.m/blk.0.attn_q.weight', shape: [2, 3], values: async () => new Float32Array(6).fill(-value) },
];

async function bytesOfCheckpoint(): Promise<Uint8Array> {
  const sink = memorySink();
  await writeTrainingCheckpoint(sink, state(7, [[5, 1.5]]), tensors(0.5));
  return sink.bytes();
}

const read = (bytes: Uint8Array) => readTrainingCheckpoint(memorySource(bytes, 'c.safetensors'));

describe('a checkpoint', () => {
  it('reads back what was written', async () => {
    const checkpoint = await read(await bytesOfCheckpoint());
    expect(checkpoint.state).toEqual(state(7, [[5, 1.5]]));
    expect([...checkpoint.tensors]).toEqual([
      ['blk.0.attn_q.weight', [2, 3]],
      ['adam.m/blk.0.attn_q.weight', [2, 3]],
    ]);
    const values = await checkpoint.read('adam.m/blk.0.attn_q.weight', [2, 3]);
    expect(values).toEqual(new Float32Array(6).fill(-0.5));
  });

  it('of another model is rejected', async () => {
    const checkpoint = await read(await bytesOfCheckpoint());
    await expect(checkpoint.read('blk.0.attn_q.weight', [3, 2])).rejects.toThrow(
      'c.safetensors: tensor blk.0.attn_q.weight is F32 [2, 3], expected F32 [3, 2]: the checkpoint belongs to another model',
    );
    await expect(checkpoint.read('output.weight', [3, 2])).rejects.toThrow('tensor output.weight is nothing');
  });

  it('is rejected if truncated anywhere or if any byte differs', async () => {
    const bytes = await bytesOfCheckpoint();
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] ^= 0x10;
      for (const given of [bytes.slice(0, at), damaged]) {
        const error = await read(given).then(
          () => undefined,
          (error) => error,
        );
        if (!(error instanceof FormatError)) expect.fail(`byte ${at}: ${error}`);
      }
    }
  });

  it('is told from other safetensors files', async () => {
    const data = new Uint8Array(4);
    const model = await safetensorsBytes({ tensors: [{ name: 'a', shape: [1], format: formatByName('F32'), data }] });
    await expect(read(model)).rejects.toThrow('it is a safetensors file, but not a checkpoint of a training run');
    await expect(read(new TextEncoder().encode('no tensors at all'))).rejects.toThrow(FormatError);
  });
});

describe('the checkpoints of a run', () => {
  it('are the last `keep` and the best one', async () => {
    const path = await newFolder();
    const folder = checkpointFolder(join(path, 'made/here'));
    expect(await lastCheckpoint(folder)).toBeUndefined();
    const losses: [number, number][] = [];
    for (const [step, loss] of [
      [100, 3],
      [200, 1],
      [300, 2],
      [400, 2],
      [500, 2],
    ] as const) {
      losses.push([step, loss]);
      await saveCheckpoint(folder, state(step, losses), tensors(step), 2);
    }
    expect((await folder.list()).toSorted()).toEqual([200, 400, 500].map(checkpointName));
    const found = (await lastCheckpoint(folder))!;
    expect([found.file, found.checkpoint.state.step, found.skipped]).toEqual([checkpointName(500), 500, []]);
    expect(await bestCheckpoint(folder, found.checkpoint.state.evaluations)).toEqual({
      file: checkpointName(200),
      step: 200,
    });
    await found.checkpoint.close();
  });

  it('are skipped and reported if damaged', async () => {
    const path = await newFolder();
    const folder = checkpointFolder(path);
    for (const step of [1, 2, 3]) await saveCheckpoint(folder, state(step), tensors(step), 3);
    const whole = await readFile(join(path, checkpointName(3)));
    await writeFile(join(path, checkpointName(3)), whole.subarray(0, whole.length - 40));
    await writeFile(join(path, checkpointName(2)), new Uint8Array(whole.length));
    const found = (await lastCheckpoint(folder))!;
    expect(found.checkpoint.state.step).toBe(1);
    expect(found.skipped.map(({ data }) => data.file)).toEqual([3, 2].map((step) => join(path, checkpointName(step))));
    await found.checkpoint.close();
    await writeFile(join(path, checkpointName(1)), '');
    await expect(lastCheckpoint(folder)).rejects.toThrow(
      /contains no intact checkpoint: .*remove the folder, or choose another one, and start again/,
    );
  });

  it.skipIf(!existsSync('/dev/full'))('are unchanged after the disk was full', async () => {
    const path = await newFolder();
    const folder = checkpointFolder(path);
    await saveCheckpoint(folder, state(1), tensors(1), 1);
    // every write to it fails with ENOSPC
    await symlink('/dev/full', join(path, `${checkpointName(2)}.partial`));
    const error = await saveCheckpoint(folder, state(2), tensors(2), 1).catch((error) => error);
    expect(error).toBeInstanceOf(SourceError);
    expect(error.message).toBe(`${join(path, checkpointName(2))}: the disk is full; free some space and resume`);
    expect(await readdir(path)).toEqual([checkpointName(1)]);
    const found = (await lastCheckpoint(folder))!;
    expect(found.checkpoint.state.step).toBe(1);
    await found.checkpoint.close();
    await saveCheckpoint(folder, state(2), tensors(2), 1);
    expect(await readdir(path)).toEqual([checkpointName(2)]);
  });

  it('are unchanged after writing fails at any byte', async () => {
    const files = new Map<string, Uint8Array>();
    let room = 0;
    const folder: CheckpointFolder = {
      name: 'memory',
      list: async () => [...files.keys()],
      open: async (file) => memorySource(files.get(file)!, file),
      remove: async (file) => void files.delete(file),
      async replace(file, work) {
        const sink = memorySink();
        let left = room;
        await work({
          async write(bytes) {
            left -= bytes.length;
            if (left < 0) throw new Error('no room');
            await sink.write(bytes);
          },
        });
        files.set(file, sink.bytes());
      },
    };
    room = 1e6;
    await saveCheckpoint(folder, state(1), tensors(1), 1);
    const size = files.get(checkpointName(1))!.length;
    for (room = 0; room < size; room += 13) {
      await expect(saveCheckpoint(folder, state(2), tensors(2), 1)).rejects.toThrow('no room');
      expect((await lastCheckpoint(folder))?.checkpoint.state.step).toBe(1);
    }
  });

  it('survive kill -9 at any moment', async () => {
    const path = await newFolder();
    const script = join(path, 'writer.mts');
    const module = (file: string) => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)));
    await writeFile(
      script,
      `import { checkpointFolder } from ${module('folder.node.ts')};
       import { saveCheckpoint } from ${module('checkpoints.ts')};
       const values = () => new Float32Array(300_000).fill(1);
       for (let step = 1; ; step++) {
         const state = { step, evaluations: [], data: '', settings: { variant: 'f32' }, recipe: {} };
         await saveCheckpoint(checkpointFolder(${JSON.stringify(join(path, 'run'))}), state, [{ name: 'w', shape: [300_000], values }], 2);
         process.stdout.write(step + '\\n');
       }`,
    );
    const root = fileURLToPath(new URL('../../..', import.meta.url));
    for (const round of [1, 2, 3]) {
      const child = spawn(typeScriptNode, ['-C', 'espalier-source', '--import', 'tsx', script], { cwd: root });
      let reported = 0;
      let enough = () => {};
      const saved = new Promise<void>((resolve) => (enough = resolve));
      child.stdout.on('data', (data) => {
        reported = Number(String(data).trim().split('\n').at(-1));
        if (reported > 5) enough();
      });
      let errors = '';
      child.stderr.on('data', (data) => (errors += data));
      const ended = once(child, 'close');
      await Promise.race([saved, ended]);
      // kill it at a different moment of its writing in every round
      await new Promise((resolve) => setTimeout(resolve, 7 * round));
      child.kill('SIGKILL');
      await ended;
      expect(errors).toBe('');
      const found = (await lastCheckpoint(checkpointFolder(join(path, 'run'))))!;
      expect(found.checkpoint.state.step).toBeGreaterThanOrEqual(reported);
      expect(found.skipped).toEqual([]);
      await found.checkpoint.close();
      await rm(join(path, 'run'), { recursive: true });
    }
  });
});
