/** Incremental SHA-256 (FIPS 180-4), which WebCrypto does not have. */

export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** Returns the digest in lower-case hexadecimal. Nothing may be added afterwards. */
  hex(): string;
}

const BLOCK_BYTES = 64;

export function sha256(): Sha256 {
  const state = Int32Array.from(fractions(8, 1 / 2));
  const block = new Uint8Array(BLOCK_BYTES);
  let total = 0;

  function update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const filled = total % BLOCK_BYTES;
      // whole blocks are hashed without copying
      if (filled === 0 && bytes.length - at >= BLOCK_BYTES) {
        compress(state, bytes, at);
        at += BLOCK_BYTES;
        total += BLOCK_BYTES;
        continue;
      }
      const part = bytes.subarray(at, at + BLOCK_BYTES - filled);
      block.set(part, filled);
      at += part.length;
      total += part.length;
      if (total % BLOCK_BYTES === 0) compress(state, block, 0);
    }
  }

  return {
    update,
    hex() {
      const bits = BigInt(total) * 8n;
      const zeros = (BLOCK_BYTES + 55 - (total % BLOCK_BYTES)) % BLOCK_BYTES;
      const end = new Uint8Array(1 + zeros + 8);
      end[0] = 0x80;
      new DataView(end.buffer).setBigUint64(1 + zeros, bits);
      update(end);
      return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
    },
  };
}

const constants = Int32Array.from(fractions(64, 1 / 3));
const schedule = new Int32Array(64);

/** Updates the state with one block. Sums are truncated to 32 bits immediately, so that engines keep them as integers. */
function compress(state: Int32Array, bytes: Uint8Array, start: number): void {
  for (let i = 0, at = start; i < 16; i++, at += 4) {
    schedule[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i++) {
    const early = schedule[i - 15];
    const late = schedule[i - 2];
    const s0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const s1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    schedule[i] = (((schedule[i - 16] + s0) | 0) + ((schedule[i - 7] + s1) | 0)) | 0;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = (e & f) ^ (~e & g);
    const t1 = (((((h + s1) | 0) + choice) | 0) + ((constants[i] + schedule[i]) | 0)) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (((t1 + s0) | 0) + majority) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

function rotate(x: number, bits: number): number {
  return (x >>> bits) | (x << (32 - bits));
}

/** The standard's constants: the first 32 bits of the fractional parts of square or cube roots of primes. */
function fractions(count: number, power: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes.map((prime) => Math.floor((prime ** power % 1) * 2 ** 32));
}
