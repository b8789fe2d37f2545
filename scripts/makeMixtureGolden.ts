/**
 * Writes src/compress/mixture.golden.json: the formats that llama-quantize chooses for models, from its dry run.
 *
 *     tsx scripts/makeMixtureGolden.ts llama-quantize imatrix.gguf model.gguf …
 *
 * The importance matrix may be of any model: a dry run only asks whether there is one.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fileTypes } from '../src/compress/fileTypes.ts';
import { isQuantizable } from '../src/compress/mixture.ts';
import { openCheckpoint } from '../src/formats/open.ts';

const [program, imatrix, ...files] = process.argv.slice(2);
const models: unknown[] = [];
for (const file of files) {
  const checkpoint = await openCheckpoint(file);
  const { metadata, tensors } = checkpoint;
  const architecture = String(metadata.get('general.architecture'));
  const heads = Number(metadata.get(`${architecture}.attention.head_count`));
  const matrices = [...tensors.values()].filter(isQuantizable);
  const types: Record<string, Record<string, string>> = {};
  for (const { name } of fileTypes.filter(({ name }) => !/^(F|BF)/.test(name)))
    for (const more of [[], ['--imatrix', imatrix], ['--pure']]) {
      const args = ['--dry-run', '--allow-requantize', ...more, file, name, '1'];
      const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
      // a warning may stand in the middle of a line
      const lines = (stdout + stderr).replace(/, \n+(=+ .*\n)?size/g, ', size').split('\n');
      const found = new Map<string, string>();
      for (const line of lines) {
        const [, tensor, type] = /^\[ *\d+\/ *\d+\] (\S+) +- .* type = +(\w+),/.exec(line) ?? [];
        if (tensor) found.set(tensor, /\((\w+)\)\s*$/.exec(line)?.[1] ?? type);
      }
      types[[name, ...more.slice(0, 1)].join(' ')] = byPart(
        matrices.map((tensor) => [tensor.name, found.get(tensor.name)!]),
      );
    }
  models.push({
    architecture,
    layers: Number(metadata.get(`${architecture}.block_count`)),
    queryGroups: heads / Number(metadata.get(`${architecture}.attention.head_count_kv`) ?? heads),
    widths: byPart(matrices.map(({ name, shape }) => [name, String(shape.at(-1))])),
    types,
  });
  await checkpoint.close();
}

/** 'blk.3.attn_q.weight' is layer 3 of the part 'attn_q.weight'. Values of all layers, with repetitions: 'Q6_K Q4_K*3'. */
function byPart(values: readonly (readonly [string, string])[]): Record<string, string> {
  const parts = new Map<string, [number, string][]>();
  for (const [name, value] of values) {
    const [, layer, part] = /^blk\.(\d+)\.(.*)$/.exec(name) ?? [];
    const key = part ?? name;
    parts.set(key, [...(parts.get(key) ?? []), [Number(layer ?? 0), value.toUpperCase()]]);
  }
  return Object.fromEntries(
    [...parts].map(([part, list]) => [part, repeated(list.sort((a, b) => a[0] - b[0]).map(([, value]) => value))]),
  );
}

function repeated(values: readonly string[]): string {
  const runs: [string, number][] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last?.[0] === value) last[1]++;
    else runs.push([value, 1]);
  }
  return runs.map(([value, count]) => (count === 1 ? value : `${value}*${count}`)).join(' ');
}

const output = fileURLToPath(new URL('../src/compress/mixture.golden.json', import.meta.url));
writeFileSync(output, `${JSON.stringify(models, null, 1)}\n`);
