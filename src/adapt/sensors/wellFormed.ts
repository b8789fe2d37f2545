/** Checks the types of a reading: sensors of applications may return anything, such as numbers in strings. */
import type { Pressure, Signals } from './signals.ts';

type Check = (value: unknown) => boolean;

const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isBoolean: Check = (value) => typeof value === 'boolean';
const isText: Check = (value) => typeof value === 'string';
const states: readonly unknown[] = ['nominal', 'fair', 'serious', 'critical'] satisfies Pressure[];

/** Checks of an object's fields. A wrong optional field is left out; a wrong required one makes the signal unknown. */
interface Fields {
  readonly required: Readonly<Record<string, Check>>;
  readonly optional?: Readonly<Record<string, Check>>;
}

const rules: Readonly<Record<Exclude<keyof Signals, 'at'>, Check | Fields>> = {
  temperature: { required: { celsius: isNumber }, optional: { limit: isNumber } },
  battery: { required: { level: isNumber, isCharging: isBoolean }, optional: { watts: isNumber } },
  energy: {
    required: { joules: isNumber, domains: (value) => Array.isArray(value) && value.every(isText) },
  },
  pressure: (value) => states.includes(value),
  stall: isNumber,
  load: isNumber,
  steal: isNumber,
  throttled: isNumber,
  quota: isNumber,
  clock: isNumber,
  freeMemory: isNumber,
  memory: isNumber,
  lowPower: isBoolean,
  saveData: isBoolean,
  hidden: isBoolean,
};

export interface WellFormed {
  readonly signals: Signals;
  /** Names of signals and fields that were refused: 'temperature', 'battery.watts'. */
  readonly malformed: readonly string[];
}

/** Keeps the well-formed signals of a reading. Each malformed one is unknown; the others count. @param at time of the reading */
export function wellFormed(reading: unknown, at: number): WellFormed {
  const malformed: string[] = [];
  const signals: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(rules)) {
    try {
      const signal = (reading as Record<string, unknown> | null | undefined)?.[name];
      if (signal === undefined || signal === null) continue;
      const { value, source } = signal as Record<string, unknown>;
      const checked = isText(source)
        ? checkedValue(value, rule, (field) => malformed.push(`${name}.${field}`))
        : undefined;
      if (checked === undefined) malformed.push(name);
      else signals[name] = { value: checked, source };
    } catch {
      // a getter of the application that throws
      malformed.push(name);
    }
  }
  return { signals: { ...signals, at }, malformed };
}

/** @returns undefined if the value is malformed */
function checkedValue(value: unknown, rule: Check | Fields, refuse: (field: string) => void): unknown {
  if (typeof rule === 'function') return rule(value) ? value : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  const given = value as Record<string, unknown>;
  const kept: Record<string, unknown> = {};
  for (const [field, check] of Object.entries(rule.required)) {
    if (!check(given[field])) return undefined;
    kept[field] = given[field];
  }
  for (const [field, check] of Object.entries(rule.optional ?? {})) {
    if (given[field] === undefined) continue;
    if (check(given[field])) kept[field] = given[field];
    else refuse(field);
  }
  return kept;
}
