/** Logits of a sequence by a program with a cache: half of its tokens in one step, a quarter in another, then one by one. */
import type { Program } from '../../src/graph/program.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { Pages } from '../conformance/pages.ts';

export async function logitsInPieces(program: Program, tokens: readonly number[]): Promise<Float32Array[]> {
  const pages = new Pages(program.openPages(formatByName('F32')));
  const rows: Float32Array[] = [];
  const [half, quarter] = [tokens.length >> 1, (3 * tokens.length) >> 2];
  const steps = [[0, half], [half, quarter], ...[...tokens.keys()].slice(quarter).map((at) => [at, at + 1])];
  for (const [from, to] of steps as [number, number][]) {
    const part = tokens.slice(from, to);
    const result = program.run({
      sequences: [{ tokens: part, position: from, pages: pages.upTo(to) }],
      rows: part.map((_, at) => at),
      outputs: ['logits'],
    });
    const logits = await result.output('logits');
    const width = logits.length / part.length;
    for (let row = 0; row < part.length; row++) rows.push(logits.slice(row * width, (row + 1) * width));
  }
  return rows;
}
