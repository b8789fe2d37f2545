/** A device that may not exist yet, as JSON. Every number says where it comes from. */
import { z } from 'zod';
import { FormatError } from '../core/errors.ts';

/** A number and its origin. Without bounds, those of its origin are taken. */
const figure = z.strictObject({
  value: z.number().positive(),
  from: z.enum(['datasheet', 'measured', 'assumed']),
  low: z.number().positive().optional(),
  high: z.number().positive().optional(),
});

const unit = z.strictObject({
  /** Cycles per second. */
  clock: figure,
  /** Identical arrays that share a product's columns. Default: one. */
  count: z.number().int().min(1).default(1),
  /** A systolic array; or multiply-adds per cycle of anything else. */
  array: z
    .strictObject({
      rows: z.number().int().min(1).max(65536),
      columns: z.number().int().min(1).max(65536),
      dataflow: z.enum(['os', 'ws', 'is']),
    })
    .optional(),
  multiplyAddsPerCycle: figure.optional(),
});

const device = z
  .strictObject({
    version: z.literal(1),
    name: z.string().min(1),
    about: z.string().optional(),
    unit,
    memory: z.strictObject({
      /** Bytes for weights and cache. */
      bytes: figure,
      bytesPerSecond: figure,
      joulesPerByte: figure.optional(),
    }),
    /** Bits that the device stores a weight in, scales included. Default: those of the model's file. */
    bitsPerWeight: z.number().positive().max(64).optional(),
    /** Seconds besides the work. */
    overhead: z
      .strictObject({ perStep: figure.optional(), perLayer: figure.optional(), perProduct: figure.optional() })
      .default({}),
    joulesPerMultiplyAdd: figure.optional(),
    idleWatts: figure.optional(),
  })
  .refine(
    ({ unit: { array, multiplyAddsPerCycle } }) => (array === undefined) !== (multiplyAddsPerCycle === undefined),
    {
      message: 'expected either array or multiplyAddsPerCycle',
      path: ['unit'],
    },
  );

export type Figure = z.infer<typeof figure>;
export type DeviceFile = z.infer<typeof device>;

/** @param name file name for error messages @throws {FormatError} that names the field */
export function readDeviceFile(text: string, name = 'device'): DeviceFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FormatError(name, 'it is not JSON', {}, { cause: error });
  }
  const result = device.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue.path.join('.');
  throw new FormatError(name, `${field === '' ? 'the device' : field}: ${issue.message}`, { field });
}

/** Factors by which a number may be wrong in both directions, by its origin. */
const doubt: Readonly<Record<Figure['from'], number>> = { measured: 1.1, datasheet: 1.3, assumed: 2 };

/** A value with its bounds. */
export interface Range {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export function rangeOf({ value, from, low, high }: Figure): Range {
  return {
    value,
    low: Math.min(value, low ?? value / doubt[from]),
    high: Math.max(value, high ?? value * doubt[from]),
  };
}
