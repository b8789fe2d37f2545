/** Matrices in a WebAssembly memory of their own, and the arithmetic of kernels/ on them. */
import { inflate } from '#leaf/backends/wasm/inflate';
import { MemoryError } from '../../core/errors.ts';

interface Kernels {
  readonly memory: WebAssembly.Memory;
  heapBase(): number;
  subtractProduct(
    c: number,
    strideC: number,
    a: number,
    strideA: number,
    b: number,
    strideB: number,
    rows: number,
    depth: number,
    columns: number,
  ): void;
  subtractScaled(y: number, x: number, factor: number, count: number): void;
}

/** Part of a matrix: the address of its first element, and the distance between rows in elements. */
export interface View {
  readonly at: number;
  readonly stride: number;
}

const PAGE = 65536;
let compiled: Promise<WebAssembly.Module> | undefined;

async function compile(): Promise<WebAssembly.Module> {
  const { module } = await import('./built/matrix.ts');
  return WebAssembly.compile(await inflate(Uint8Array.from(atob(module), (character) => character.charCodeAt(0))));
}

/** A workspace for one computation at a time. Its memory grows to the largest need; drop it to free it. */
export class Matrices {
  readonly #kernels: Kernels;
  #floats: Float32Array;
  #end: number;

  private constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#floats = new Float32Array(kernels.memory.buffer);
    this.#end = 0;
    this.clear();
  }

  static async create(): Promise<Matrices> {
    compiled ??= compile();
    const { exports } = await WebAssembly.instantiate(await compiled);
    return new Matrices(exports as unknown as Kernels);
  }

  /** All elements, by address. A later `allocate` may detach the array. */
  get floats(): Float32Array {
    return this.#floats;
  }

  /** Releases everything that was allocated. */
  clear(): void {
    this.#end = Math.ceil(this.#kernels.heapBase() / 16) * 4;
  }

  /** Returns a mark of what is allocated, for `release`. */
  mark(): number {
    return this.#end;
  }

  /** Releases what was allocated after the mark. */
  release(mark: number): void {
    this.#end = mark;
  }

  /** Returns the address of `count` floats with arbitrary values. @throws {MemoryError} */
  allocate(count: number): number {
    const at = this.#end;
    this.#end += Math.ceil(count / 4) * 4;
    const { memory } = this.#kernels;
    const missing = this.#end * 4 - memory.buffer.byteLength;
    if (missing > 0) {
      try {
        memory.grow(Math.ceil(missing / PAGE));
      } catch {
        throw new MemoryError('solving for a tensor', this.#end * 4, memory.buffer.byteLength);
      }
      this.#floats = new Float32Array(memory.buffer);
    }
    return at;
  }

  /** c ← c − a·b. a [rows, depth], b [depth, columns] */
  subtractProduct(c: View, a: View, b: View, rows: number, depth: number, columns: number): void {
    if (rows > 0 && depth > 0 && columns > 0)
      this.#kernels.subtractProduct(4 * c.at, c.stride, 4 * a.at, a.stride, 4 * b.at, b.stride, rows, depth, columns);
  }

  /** y ← y − factor·x, `count` elements */
  subtractScaled(y: number, x: number, factor: number, count: number): void {
    this.#kernels.subtractScaled(4 * y, 4 * x, factor, count);
  }
}
