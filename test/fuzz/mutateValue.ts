/** Corrupts values of JSON and metadata, so that the result still parses and reaches the code behind the parser. */
import type { Random } from '../../src/core/random.ts';

const hostileValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  0.5,
  1e9,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  1e308,
  '',
  ' ',
  '\ud800',
  '__proto__',
  'x'.repeat(300),
  '(((((((((a*)*)*)*)*)*)*)*)*',
  '[',
  [],
  [[]],
  [null],
  ['', ''],
  {},
  { type: 'Sequence' },
  { __proto__: null, type: 1 },
];

/** Deep-copies an object and corrupts one to three values in it. */
export function mutateValue(value: object, random: Random): object {
  const copy = structuredClone(value) as Holder;
  for (let times = 1 + random.integer(3); times > 0; times--) {
    const places = placesOf(copy);
    if (places.length === 0) break;
    const [holder, key] = places[random.integer(places.length)];
    spoil(holder, key, random, places);
  }
  return copy;
}

type Holder = Record<string, unknown>;
type Place = [Holder, string];

/** Lists the places inside a value. Of long arrays only the ends. */
function placesOf(root: Holder): Place[] {
  const places: Place[] = [];
  const queue: Holder[] = [root];
  for (let holder = queue.pop(); holder; holder = queue.pop()) {
    const keys = Object.keys(holder);
    for (const key of keys.length > 20 ? [...keys.slice(0, 10), ...keys.slice(-10)] : keys) {
      places.push([holder, key]);
      const held = holder[key];
      if (typeof held === 'object' && held !== null && !ArrayBuffer.isView(held)) queue.push(held as Holder);
    }
  }
  return places;
}

function spoil(holder: Holder, key: string, random: Random, places: readonly Place[]): void {
  const held = holder[key];
  const [otherHolder, otherKey] = places[random.integer(places.length)];
  switch (random.integer(5)) {
    case 0:
      holder[key] = structuredClone(hostileValues[random.integer(hostileValues.length)]);
      break;
    case 1:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      break;
    case 2:
      if (Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(held));
      else holder[`${key}2`] = structuredClone(held);
      break;
    case 3:
      holder[key] = structuredClone(otherHolder[otherKey]);
      break;
    default:
      if (typeof held === 'number') holder[key] = [held + 1, held - 1, -held, held * 2 ** 20][random.integer(4)];
      else if (typeof held === 'string') holder[key] = spoilText(held, random);
      else if (typeof held === 'boolean') holder[key] = !held;
  }
}

function spoilText(text: string, random: Random): string {
  const at = random.integer(text.length + 1);
  const inserted = [' ', '\0', 'é', '▁', 'Ġ', '(', '\\', String.fromCharCode(random.integer(65536))][random.integer(8)];
  return text.slice(0, at) + inserted + text.slice(at + random.integer(3));
}
