/** Speeds of coding deltas of quantized tensors, in any engine. */
import { seededRandom } from '../../src/core/random.ts';
import { BlockDeltaCoder } from '../../src/package/delta/blockDelta.ts';
import { formatByName } from '../../src/tensor/formats.ts';

export interface DeltaSpeed {
  readonly format: string;
  readonly noise: number;
  /** Megabytes of the new tensor per second, the best of several. */
  readonly decoding: number;
  readonly encoding: number;
  /** Size of the delta relative to the tensor. */
  readonly share: number;
}

const WEIGHTS = 1 << 20;
const ROUNDS = 7;

export async function measure(formats: readonly string[], noises: readonly number[]): Promise<DeltaSpeed[]> {
  const coder = await BlockDeltaCoder.create();
  const found: DeltaSpeed[] = [];
  for (const name of formats) {
    const format = formatByName(name);
    const tensor = (noise: number) => {
      const [weights, moves] = [seededRandom(1), seededRandom(2)];
      const values = Float32Array.from({ length: WEIGHTS }, () => 0.02 * (weights.normal() + noise * moves.normal()));
      const data = new Uint8Array((WEIGHTS / format.blockSize) * format.blockBytes);
      format.encode(values, 0, data, 0, WEIGHTS / format.blockSize);
      return data;
    };
    const before = tensor(0);
    for (const noise of noises) {
      const after = tensor(noise);
      const delta = coder.encode(format, before, after)!;
      const best = (work: () => void) => {
        let least = Number.POSITIVE_INFINITY;
        for (let i = 0; i < ROUNDS; i++) {
          const started = performance.now();
          work();
          least = Math.min(least, performance.now() - started);
        }
        return Math.round(after.length / 1000 / least);
      };
      const decoding = best(() => coder.decode(format, before, delta, after.length));
      const encoding = best(() => coder.encode(format, before, after));
      found.push({
        format: name,
        noise,
        decoding,
        encoding,
        share: Math.round((1000 * delta.length) / after.length) / 1000,
      });
    }
  }
  return found;
}
