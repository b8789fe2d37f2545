/** Compares the output distributions of two models. */

export interface Distance {
  /** Mean Kullback-Leibler divergence from theirs to ours, in nats. */
  readonly meanKl: number;
  /** Share of positions with the same most likely token. */
  readonly top1: number;
  /** Standard deviation of their logits: a model whose logits are all alike proves little. */
  readonly deviation: number;
}

/** @param ours and @param theirs logits by position */
export function distance(ours: readonly Float32Array[], theirs: readonly Float32Array[]): Distance {
  let kl = 0;
  let same = 0;
  let squares = 0;
  let count = 0;
  for (const [at, row] of theirs.entries()) {
    const [p, q] = [logSoftmax(row), logSoftmax(ours[at])];
    for (let i = 0; i < p.length; i++) if (p[i] > -100) kl += Math.exp(p[i]) * (p[i] - q[i]);
    if (best(row) === best(ours[at])) same++;
    const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
    for (const x of row) squares += (x - mean) ** 2;
    count += row.length;
  }
  return { meanKl: kl / theirs.length, top1: same / theirs.length, deviation: Math.sqrt(squares / count) };
}

export const agrees = ({ meanKl, top1 }: Distance): boolean => meanKl <= 1e-5 && top1 >= 0.99;

function logSoftmax(row: Float32Array): Float64Array {
  const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (const x of row) sum += Math.exp(x - most);
  const log = Math.log(sum) + most;
  return Float64Array.from(row, (x) => x - log);
}

const best = (row: Float32Array): number => row.indexOf(row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY));
