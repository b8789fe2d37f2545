/** Budgets of bytes, or of a token's time or energy: what they allow, and the formats that lose least within them. */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { type GgufValue, writeGguf } from '../formats/gguf/write.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import { allocate } from './allocate.ts';
import { BudgetStore } from './budgetStore.ts';
import type { Calibration } from './calibration.ts';
import type { DecodePrediction } from './decodeCosts.ts';
import { finiteValues } from './finiteValues.ts';
import { sumOfRows } from './imatrix.ts';
import { limitedRoom } from './limitedRoom.ts';
import { importanceOf } from './measureImportance.ts';
import { keptFormat } from './mixture.ts';
import { elementsOf, formatsOf, namedFormats, refuseRequantizing } from './plan.ts';
import type { QuantizeOptions } from './quantize.ts';
import { type Candidate, chosenFormats, guessFormats, type Room, roomFor } from './room.ts';
import { canContinue, keyOf } from './solvedStore.ts';

export type Budget = Pick<QuantizeOptions, 'targetBits' | 'maxBytes' | 'like' | 'maxMs' | 'maxJoules'>;

/** @throws {OptionError} if there is not exactly one of a type and the budgets */
export function budgetOf(options: QuantizeOptions): Budget | undefined {
  const { type, targetBits, maxBytes, like, maxMs, maxJoules, generations } = options;
  const given = Object.entries({ type, targetBits, maxBytes, like, maxMs, maxJoules }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length !== 1) {
    const found = given.length === 0 ? 'missing' : `given beside ${given[1][0]}`;
    const expected = 'exactly one of type, targetBits, maxBytes, like, maxMs and maxJoules';
    throw new OptionError(given[0]?.[0] ?? 'type', found, expected);
  }
  for (const [name, value] of Object.entries({ targetBits, maxBytes, maxMs, maxJoules }))
    if (value !== undefined && !(value > 0 && Number.isFinite(value)))
      throw new OptionError(name, value, 'a number above 0');
  if (generations !== undefined && !(type === undefined && Number.isInteger(generations) && generations >= 0)) {
    const expected = 'a whole number beside a budget: targetBits, maxBytes, like, maxMs or maxJoules';
    throw new OptionError('generations', type === undefined ? generations : `given beside type ${type}`, expected);
  }
  if (options.device !== undefined && (maxMs ?? maxJoules) === undefined)
    throw new OptionError('device', options.device, 'no value without maxMs or maxJoules, which it is for');
  return type === undefined ? { targetBits, maxBytes, like, maxMs, maxJoules } : undefined;
}

export interface Allocated {
  /** Format of each tensor, by name. */
  readonly formats: Map<string, BlockFormat>;
  /** Matrices and the formats that are tried for them. */
  readonly candidates: readonly Candidate[];
  /** With a limit on time or energy: what a token of the chosen formats costs. */
  readonly decode?: DecodePrediction;
}

/**
 * Chooses formats. In a dry run they are guessed, without measuring the model. What the search has measured stays beside the output.
 * @throws {OptionError} without a calibration text, and for a budget that is too small; it names the smallest
 * @throws {OptionError} for a limit without a meter, or on energy where the meter does not know it
 */
export async function formatsInBudget(
  checkpoint: Checkpoint,
  budget: Budget,
  output: string,
  options: QuantizeOptions,
  calibration: Calibration | undefined,
): Promise<Allocated> {
  if (!calibration)
    throw new OptionError('calibration', 'missing', 'a text: a budget is divided by what each matrix loses on it');
  if (options.pure && budget.like === undefined)
    throw new OptionError('pure', true, 'no value beside a budget, which mixes formats');
  const named = namedFormats(checkpoint, options);
  const limited = await limitedRoom(checkpoint, budget, named, options);
  const { room, size } = limited ?? (await roomOfBytes(checkpoint, budget, named, options));
  refuseQuantizedMatrices(checkpoint, room, options);
  const complete = (chosen: ReadonlyMap<string, BlockFormat>): Allocated => ({
    formats: new Map(
      [...checkpoint.tensors.values()].map((each) => [each.name, chosen.get(each.name) ?? keptFormat(each)]),
    ),
    candidates: room.candidates,
    decode: limited?.predict(chosen),
  });
  if (options.dryRun) return complete(guessFormats(room));
  const { generations, threads, backend, signal, onProgress } = options;
  const { windows } = calibration;
  const settings = room.candidates.map(({ tensor, formats }) => [tensor.name, formats.map(({ name }) => name)]);
  const store = await BudgetStore.open(output, await keyOf(checkpoint, [size, generations, settings], windows));
  if (store.levels) return complete(chosenFormats(room.candidates, store.levels));
  for (const tensor of checkpoint.tensors.values())
    if (tensor.format.blockSize === 1) await finiteValues(checkpoint, tensor);
  const entries = await importanceOf(calibration, { ...options, processOutput: true });
  const importance = new Map(
    [...entries].map(([name, { squares, tokens }]) => [name, sumOfRows(squares, squares.length / tokens.length)]),
  );
  const common = { threads, backend, signal, onProgress };
  try {
    return complete(await allocate(checkpoint, room, { windows, importance, generations, store, ...common }));
  } catch (error) {
    if (!canContinue(error, signal)) await store.clear();
    throw error;
  }
}

interface SizedRoom {
  readonly room: Room;
  /** Distinguishes budgets. */
  readonly size: unknown;
}

async function roomOfBytes(
  checkpoint: Checkpoint,
  budget: Budget,
  named: ReadonlyMap<string, BlockFormat>,
  options: QuantizeOptions,
): Promise<SizedRoom> {
  const bytes = await bytesFor(checkpoint, budget, options);
  const room = roomFor(checkpoint, bytes, named);
  if (bytes < room.least) await refuseSmall(checkpoint, budget, bytes, room.least);
  return { room, size: bytes };
}

/** Refuses a quantized matrix before the search. @throws {OptionError} */
function refuseQuantizedMatrices(checkpoint: Checkpoint, { candidates }: Room, options: QuantizeOptions): void {
  const changed = candidates.map(({ tensor, formats }) => {
    const format = formats.find((each) => each !== tensor.format) ?? tensor.format;
    return [tensor.name, format] as const;
  });
  const kept = [...checkpoint.tensors.values()].map((tensor) => [tensor.name, keptFormat(tensor)] as const);
  refuseRequantizing(checkpoint, new Map([...kept, ...changed]), options);
}

/** Bytes that all tensors may take. */
async function bytesFor(checkpoint: Checkpoint, { targetBits, maxBytes, like }: Budget, options: QuantizeOptions) {
  const tensors = [...checkpoint.tensors.values()];
  if (targetBits !== undefined) return Math.floor((targetBits * elementsIn(checkpoint)) / 8);
  if (maxBytes !== undefined) return maxBytes - (await headerBytes(checkpoint));
  const formats = formatsOf(checkpoint, like!, options);
  return tensors.reduce((sum, tensor) => sum + bytesOf(formats.get(tensor.name)!, elementsOf(tensor)), 0);
}

const elementsIn = ({ tensors }: Checkpoint): number =>
  [...tensors.values()].reduce((sum, tensor) => sum + elementsOf(tensor), 0);

/** Says in the budget's own unit what is the least. @throws {OptionError} */
async function refuseSmall(
  checkpoint: Checkpoint,
  { targetBits, maxBytes, like }: Budget,
  bytes: number,
  least: number,
): Promise<never> {
  const reason = 'with which every matrix has its smallest format';
  if (targetBits !== undefined) {
    const bits = Math.ceil((8000 * least) / elementsIn(checkpoint)) / 1000;
    throw new OptionError('targetBits', targetBits, `at least ${bits} bits per weight, ${reason}`);
  }
  if (maxBytes !== undefined)
    throw new OptionError('maxBytes', maxBytes, `at least ${least + (await headerBytes(checkpoint))} bytes, ${reason}`);
  throw new OptionError('like', `${like} (${bytes} bytes)`, `a type of at least ${least} bytes, ${reason}`);
}

/** Upper bound of what a file takes beside its tensors. */
async function headerBytes({ metadata, tensors }: Checkpoint): Promise<number> {
  let size = 0;
  const sink = {
    async write(bytes: Uint8Array) {
      size += bytes.length;
    },
  };
  // one element per tensor: names, shapes and padding count, data does not
  const listed = [...tensors.values()].map(({ name }) => ({
    name,
    format: formatByName('F32'),
    shape: [1, 1, 1, 1],
    data: new Uint8Array(4),
  }));
  await writeGguf(sink, { metadata: [...metadata] as [string, GgufValue][], tensors: listed });
  return size + 64;
}
