/** Options of commands that adapt to what the device can give. */
import { type Command, InvalidArgumentError } from 'commander';
import type { AdaptOptions } from '../index.ts';
import { number } from './options.ts';
import { note } from './output.ts';

export interface AdaptValues {
  readonly adapt?: boolean;
  /** Milliseconds. */
  readonly deadline?: number;
  readonly maxWatts?: number;
  readonly maxTemperature?: number;
}

export function addAdaptOptions(command: Command): Command {
  return command
    .option('--adapt', 'choose threads and pauses by temperature, battery and other load; changes are printed')
    .option(
      '--deadline <time>',
      'time in which 95% of the tokens shall come, such as 50ms or 0.1s; implies --adapt',
      duration,
    )
    .option(
      '--max-watts <watts>',
      'mean power that is measured, the idle device included; assumed where nothing measures it; implies --adapt',
      number,
    )
    .option('--max-temperature <celsius>', 'temperature to stay below; implies --adapt', number);
}

/** @returns undefined without any of the options */
export function adaptOf({ adapt, deadline, maxWatts, maxTemperature }: AdaptValues): AdaptOptions | undefined {
  if (!adapt && deadline === undefined && maxWatts === undefined && maxTemperature === undefined) return undefined;
  return { deadlineMs: deadline, maxWatts, maxTemperature, onChange: ({ why }) => note(`\n[${why}]`) };
}

/** Parses a duration: '50ms', '0.1s', or a number of milliseconds. @returns milliseconds */
function duration(text: string): number {
  const [, value, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s)?$/.exec(text.trim()) ?? [];
  if (value === undefined) throw new InvalidArgumentError('Expected a duration such as 50ms or 0.1s.');
  return Number(value) * (unit === 's' ? 1000 : 1);
}
