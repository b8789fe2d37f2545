/** Ways to corrupt a file. A seeded generator makes failures reproducible. */
import type { Random } from '../../src/core/random.ts';

type Spoil = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

/** Sizes and counts that overflow, wrap around or barely fit. */
const hostileNumbers = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const spoils: readonly Spoil[] = [flipBits, setBytes, corruptLength, truncate, duplicate, remove, splice];

/** Copies a seed and corrupts it one to four times. @param seeds files to splice parts from */
export function mutate(seed: Uint8Array, seeds: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes: Uint8Array = seed.slice();
  for (let times = 1 + random.integer(4); times > 0 && bytes.length > 0; times--) {
    const spoil = spoils[random.integer(spoils.length)];
    bytes = spoil(bytes, random, seeds[random.integer(seeds.length)]);
  }
  return bytes;
}

function flipBits(bytes: Uint8Array, random: Random): Uint8Array {
  for (let flips = 1 + random.integer(4); flips > 0; flips--)
    bytes[random.integer(bytes.length)] ^= 1 << random.integer(8);
  return bytes;
}

function setBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.integer(bytes.length);
  return bytes.fill([0, 0xff, 0x20, random.integer(256)][random.integer(4)], at, at + 1 + random.integer(8));
}

/** Replaces a possible length by a hostile number or one near the original. */
function corruptLength(bytes: Uint8Array, random: Random): Uint8Array {
  const width = [1, 2, 4, 8][random.integer(4)];
  if (bytes.length < width) return bytes;
  const at = random.integer(bytes.length - width + 1);
  const view = new DataView(new ArrayBuffer(8));
  const field = new Uint8Array(view.buffer, 0, width);
  field.set(bytes.subarray(at, at + width));
  const near = view.getBigUint64(0, true) + BigInt(random.integer(9) - 4);
  view.setBigUint64(0, random.integer(3) === 0 ? near : hostileNumbers[random.integer(hostileNumbers.length)], true);
  bytes.set(field, at);
  return bytes;
}

function truncate(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.slice(0, random.integer(bytes.length));
}

function duplicate(bytes: Uint8Array, random: Random): Uint8Array {
  const [from, to] = range(bytes, random);
  return joined(bytes.subarray(0, to), bytes.subarray(from, to), bytes.subarray(to));
}

function remove(bytes: Uint8Array, random: Random): Uint8Array {
  const [from, to] = range(bytes, random);
  return joined(bytes.subarray(0, from), bytes.subarray(to));
}

/** Joins the start of one file and the end of another. */
function splice(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  return joined(bytes.subarray(0, random.integer(bytes.length)), other.subarray(random.integer(other.length)));
}

/** A random range of bytes; short ranges are more likely. */
function range(bytes: Uint8Array, random: Random): [number, number] {
  const from = random.integer(bytes.length);
  const longest = [8, 64, bytes.length][random.integer(3)];
  return [from, Math.min(bytes.length, from + 1 + random.integer(longest))];
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
