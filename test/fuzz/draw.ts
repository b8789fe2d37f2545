/** Generates corrupted files from valid ones. */
import type { Random } from '../../src/core/random.ts';
import { mutate } from './mutate.ts';
import { mutateValue } from './mutateValue.ts';

/** Corrupts the bytes of one of the files. */
export function drawBytes(seeds: readonly Uint8Array[]): (random: Random) => Uint8Array {
  return (random) => mutate(seeds[random.integer(seeds.length)], seeds, random);
}

/** Corrupts alternately the bytes and the values of JSON. */
export function drawJson(values: readonly object[]): (random: Random, index: number) => Uint8Array {
  const seeds = values.map((value) => new TextEncoder().encode(JSON.stringify(value)));
  const spoiledBytes = drawBytes(seeds);
  return (random, index) => {
    if (index % 2 === 0) return spoiledBytes(random);
    const spoiled = mutateValue(values[random.integer(values.length)], random);
    return new TextEncoder().encode(JSON.stringify(spoiled));
  };
}

/** Corrupts values of metadata. */
export function drawMetadata(all: readonly ReadonlyMap<string, unknown>[]): (random: Random) => Map<string, unknown> {
  const values = all.map((metadata) => Object.fromEntries(metadata));
  return (random) => new Map(Object.entries(mutateValue(values[random.integer(values.length)], random)));
}
