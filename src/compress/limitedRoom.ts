/** The formats that a limit on a token's time or energy allows, by the costs that a meter tells. */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { buildModel, trainedContextOf } from '../models/buildModel.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { DecodePrediction, TokenCost } from './decodeCosts.ts';
import { decodeRoom } from './decodeRoom.ts';
import type { QuantizeOptions } from './quantize.ts';
import { possibleFormats, type Room } from './room.ts';

/** Longest context of the graph whose cost is predicted. */
const CONTEXT = 4096;

type Limits = Pick<QuantizeOptions, 'maxMs' | 'maxJoules'>;

export interface LimitedRoom {
  readonly room: Room;
  /** Distinguishes limits and costs. */
  readonly size: unknown;
  /** Cost of a token if matrices have these formats. */
  predict(formats: ReadonlyMap<string, BlockFormat>): DecodePrediction;
}

/**
 * @param named formats that are given, by tensor name @returns undefined without a limit
 * @throws {OptionError} without a meter, if it does not know the energy, and if the limit cannot be reached; it names the least.
 *   `predict` throws it if the formats do not fit into the device's memory
 */
export async function limitedRoom(
  checkpoint: Checkpoint,
  { maxMs, maxJoules }: Limits,
  named: ReadonlyMap<string, BlockFormat>,
  options: Pick<QuantizeOptions, 'meter' | 'device' | 'threads' | 'signal' | 'onProgress'>,
): Promise<LimitedRoom | undefined> {
  const [option, limit] = maxMs !== undefined ? (['maxMs', maxMs] as const) : (['maxJoules', maxJoules] as const);
  if (limit === undefined) return undefined;
  const { meter, device, threads, signal, onProgress } = options;
  if (!meter) throw new OptionError('meter', 'missing', `one beside ${option}: decodeMeter() of espalier/search`);
  const { graph } = buildModel(checkpoint, Math.min(trainedContextOf(checkpoint), CONTEXT));
  const formats = possibleFormats(checkpoint, named);
  const costs = await meter({ graph, formats, device, threads, signal, onProgress });
  const energy = costs.tokenCost(() => undefined).joules;
  if (maxJoules !== undefined && !energy) {
    const expected = `no value: nothing is known of the energy that ${costs.device} needs. Use maxMs`;
    throw new OptionError('maxJoules', maxJoules, expected);
  }
  const [costOf, unit, name] =
    maxMs !== undefined
      ? ([({ seconds }: TokenCost) => 1000 * seconds, 'ms', 'fastest'] as const)
      : ([({ joules }: TokenCost) => joules!.value, 'J', 'most frugal'] as const);
  const room = decodeRoom(checkpoint, costs, limit, costOf, named);
  if (room.least > limit) {
    const least = `${roundedUp(room.least)} ${unit}`;
    // bounds of other formats are about as far apart
    const bounds = (each: number) => Number(((room.least * each) / energy!.value).toPrecision(2));
    const origin =
      maxJoules === undefined
        ? ''
        : ` (between ${bounds(energy!.low)} and ${bounds(energy!.high)}; ${energy!.method}: ${energy!.note})`;
    const expected = `at least ${least} per token${origin}, with which every matrix has its ${name} format on ${costs.device}`;
    throw new OptionError(option, limit, expected);
  }
  return {
    room,
    size: { option, limit, costs: room.costs },
    predict(chosen) {
      const { seconds, joules, fits } = costs.tokenCost((tensor) => chosen.get(tensor));
      if (fits === false)
        throw new OptionError(
          'device',
          device ?? costs.device,
          `one with room for the weights and the cache: they do not fit into the memory of ${costs.device}`,
        );
      return { device: costs.device, ms: 1000 * seconds, joules, maxMs, maxJoules };
    },
  };
}

/** Three digits, rounded up, so that a limit of this number can be reached. */
function roundedUp(value: number): number {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 2);
  return Number((Math.ceil(value / unit) * unit).toPrecision(3));
}
