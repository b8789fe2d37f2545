/** Allocator of the WebAssembly memory. It grows the memory if necessary and reuses freed pieces. */
import { EspalierError, MemoryError } from '../../core/errors.ts';

const PAGE = 65536;
const ALIGNMENT = 64;
/** Address space of wasm32. */
export const MEMORY_LIMIT = 65536 * PAGE;

interface Piece {
  address: number;
  bytes: number;
}

export class Arena {
  /** Undefined after dispose, so that the memory can be collected even if the arena is still referenced. */
  #memory: WebAssembly.Memory | undefined;
  /** Free pieces by address, never adjacent. */
  readonly #free: Piece[] = [];
  readonly #used = new Map<number, number>();
  #end: number;

  /** @param begin lowest address to allocate */
  constructor(memory: WebAssembly.Memory, begin: number) {
    this.#memory = memory;
    this.#end = begin;
  }

  /** @throws {EspalierError} DISPOSED */
  get memory(): WebAssembly.Memory {
    if (!this.#memory) throw new EspalierError('DISPOSED', 'the model was disposed of and cannot run');
    return this.#memory;
  }

  /** Releases the memory. */
  dispose(): void {
    this.#memory = undefined;
    this.#used.clear();
    this.#free.length = 0;
  }

  /** Allocated bytes. */
  get usedBytes(): number {
    let sum = 0;
    for (const bytes of this.#used.values()) sum += bytes;
    return sum;
  }

  /** @returns an address, a multiple of 64 @throws {MemoryError} if the memory cannot grow enough */
  allocate(bytes: number, what: string): number {
    const size = Math.ceil(Math.max(bytes, 1) / ALIGNMENT) * ALIGNMENT;
    const fit = this.#free.findIndex((piece) => piece.bytes >= size);
    let address: number;
    if (fit >= 0) {
      const piece = this.#free[fit];
      address = piece.address;
      piece.address += size;
      piece.bytes -= size;
      if (piece.bytes === 0) this.#free.splice(fit, 1);
    } else {
      address = this.#end;
      this.#growTo(address + size, size, what);
      this.#end += size;
    }
    this.#used.set(address, size);
    return address;
  }

  release(address: number): void {
    const bytes = this.#used.get(address);
    if (bytes === undefined) return;
    this.#used.delete(address);
    this.#free.push({ address, bytes });
    this.#free.sort((a, b) => a.address - b.address);
    for (let i = this.#free.length - 1; i > 0; i--) {
      const [before, after] = [this.#free[i - 1], this.#free[i]];
      if (before.address + before.bytes !== after.address) continue;
      before.bytes += after.bytes;
      this.#free.splice(i, 1);
    }
  }

  writeFloats(address: number, values: Float32Array): void {
    new Float32Array(this.memory.buffer, address, values.length).set(values);
  }

  #growTo(end: number, wanted: number, what: string): void {
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE);
    if (missing <= 0) return;
    try {
      if (end > MEMORY_LIMIT) throw new RangeError();
      this.memory.grow(missing);
    } catch {
      throw new MemoryError(what, wanted, Math.max(0, MEMORY_LIMIT - this.#end));
    }
  }
}
