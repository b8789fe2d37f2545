/** `espalier device`: shows what this device can do and what its sensors say. */
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import {
  type DeviceDescription,
  describeDevice,
  type EnergyEstimate,
  gaugePower,
  modelledEnergy,
  type Signals,
} from '../../adapt/index.ts';
import { OptionError } from '../../index.ts';
import {
  type CostTable,
  describedModelCost,
  formatsOf,
  formatsOfModel,
  goldenVectors,
  type ModelCost,
  measuredThreads,
  meterDevice,
  modelCost,
  readDeviceFile,
} from '../../search/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { collect, examples } from '../options.ts';
import { boundsText, bytesForPeople, print, printFields, printJson, printTable } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { readTextFile } from '../textInput.ts';

interface Values {
  readonly measure?: boolean;
  readonly again?: boolean;
  readonly format?: readonly string[];
  readonly model?: string;
  readonly whatIf?: string;
  readonly golden?: string;
  readonly json?: boolean;
}

export function deviceCommand(): Command {
  const command = new Command('device')
    .description(
      'Show what the sensors of this device say, with their sources, and measure what its kernels cost. The output is a report to paste.',
    )
    .option('--measure', 'measure the kernels, a few seconds per block format, unless that was done before')
    .option('--again', 'measure even what was measured before')
    .option('--format <name>', 'block format to measure; may be repeated (default: Q4_0, Q8_0, Q4_K, Q6_K)', collect)
    .option('--model <source>', 'predict the speed of a model from its header: path, URL or hf:owner/repo/file.gguf')
    .option(
      '--what-if <file>',
      'with --model: predict it for the device that a JSON file describes, see recipes/devices',
    )
    .option(
      '--golden <file>',
      'write integer golden vectors of all ops, for those who build hardware, and nothing else',
    )
    .option('--json', 'one JSON object on the last line')
    .action(device);
  return examples(command, [
    'espalier device',
    'espalier device --measure --format Q4_0 --json > device.json',
    'espalier device --what-if recipes/devices/rk3588.json --model model.gguf',
    'espalier device --model hf:HuggingFaceTB/SmolLM2-135M-Instruct-GGUF/smollm2-135m-instruct-q8_0.gguf',
  ]);
}

async function device({ measure, again, format, model, whatIf, golden, json }: Values): Promise<void> {
  const measuring = { '--measure': measure, '--again': again, '--format': format };
  if (golden !== undefined) {
    refuseBeside('--golden', { ...measuring, '--model': model, '--what-if': whatIf, '--json': json });
    return writeGolden(golden);
  }
  if (whatIf !== undefined) refuseBeside('--what-if', measuring);
  if (whatIf !== undefined) return predictFor(whatIf, model, json);
  const signal = interruptSignal();
  const description = await describeDevice();
  let costs: CostTable | undefined;
  if (measure || again || format || model !== undefined) {
    const formats =
      format?.map((name) => name.toUpperCase()) ?? (model === undefined ? undefined : await formatsOfModel(model));
    const progress = progressBar();
    costs = await meterDevice({ formats, again, signal, onProgress: progress.onProgress }).finally(progress.stop);
  }
  const predicted = model !== undefined && costs ? await modelCost(model, costs) : undefined;
  const energy = predicted && modelledEnergy({ ...predicted.token, threads: predicted.threads });
  if (json) {
    printJson({ ...description, costs, predicted, ...(energy && { joulesPerToken: energy }) });
    return;
  }
  printDescription(description);
  if (costs) printCosts(costs);
  if (predicted && energy) printPrediction(predicted, energy);
}

/** @throws {OptionError} if an option is set that would have no effect beside another one */
function refuseBeside(option: string, others: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(others))
    if (value !== undefined) throw new OptionError(name, value, `nothing beside ${option}`);
}

async function writeGolden(file: string): Promise<void> {
  const golden = await goldenVectors();
  await writeFile(file, JSON.stringify(golden));
  print(`${golden.vectors.length} vectors in ${file}`);
}

/** Predicts a model on a described device. Nothing of this one is measured. */
async function predictFor(file: string, model: string | undefined, json: boolean | undefined): Promise<void> {
  if (model === undefined) throw new OptionError('--model', 'missing', 'a model to predict with --what-if');
  const described = readDeviceFile(await readTextFile(file), file);
  const cost = await describedModelCost(model, described);
  if (json) {
    printJson({ device: described.name, ...cost });
    return;
  }
  const { seconds, joules, bytes, bound, fits } = cost;
  const speed = (each: number) => Number((1 / each).toPrecision(3));
  printFields({
    device: `${described.name}, as ${file} describes it: nothing was measured here`,
    decode: `${speed(seconds.value)} tokens/s, between ${speed(seconds.high)} and ${speed(seconds.low)}; ${bound} takes most of the time`,
    reads: `${bytesForPeople(bytes)} per token`,
    energy: joules
      ? energyText(joules, 'J per token')
      : 'unknown: the file does not say what multiply-adds, bytes and idling take',
    memory: fits ? 'the model fits' : 'the model does not fit',
  });
}

function printDescription({ engine, platform, processors, model, signals, zones, watts }: DeviceDescription): void {
  printFields({ engine, platform, processors, model });
  print('\nsensors');
  printFields({ ...signalTexts(signals), power: watts ? energyText(watts, 'W') : 'unknown' });
  if (zones.length > 1) {
    print('\ntemperatures');
    printTable(
      ['zone', '°C', 'limit', 'source'],
      zones.map(({ name, celsius, limit, source }) => [name, celsius.toFixed(1), limit?.toFixed(0) ?? '–', source]),
    );
  }
}

/** Every signal in words, with its source; 'unknown' where there is none. */
function signalTexts(signals: Signals): Record<string, string> {
  const text = <T>(found: { readonly value: T; readonly source: string } | undefined, show: (value: T) => string) =>
    found ? `${show(found.value)}  [${found.source}]` : 'unknown';
  const percent = (value: number) => `${(100 * value).toFixed(1)}%`;
  const yes = (value: boolean) => (value ? 'yes' : 'no');
  return {
    temperature: text(
      signals.temperature,
      ({ celsius, limit }) => `${celsius.toFixed(1)} °C${limit === undefined ? '' : `, limit ${limit.toFixed(0)} °C`}`,
    ),
    battery: text(
      signals.battery,
      ({ level, isCharging, watts }) =>
        `${percent(level)}, ${isCharging ? 'charging' : watts === undefined ? 'discharging' : `discharging with ${boundsText(gaugePower(watts), 'W')}`}`,
    ),
    energy: text(signals.energy, ({ domains }) => `counted: ${domains.join(' + ')}`),
    pressure: text(signals.pressure, (value) => value),
    'waiting tasks': text(signals.stall, percent),
    load: text(signals.load, (value) => `${value.toFixed(2)} per processor`),
    'stolen time': text(signals.steal, percent),
    throttled: text(signals.throttled, percent),
    quota: text(signals.quota, (value) => `${value.toFixed(1)} processors`),
    clock: text(signals.clock, (value) => `${percent(value)} of the highest`),
    'free memory': text(signals.freeMemory, bytesForPeople),
    memory: text(signals.memory, bytesForPeople),
    'low-power mode': text(signals.lowPower, yes),
    'data saver': text(signals.saveData, yes),
    hidden: text(signals.hidden, yes),
  };
}

function printCosts(table: CostTable): void {
  print(`\nproducts, ${table.variant}, one thread: picoseconds per weight, from memory (in caches)`);
  const tokens = [...new Set(table.products.map((product) => product.tokens))].sort((a, b) => a - b);
  printTable(
    ['format', ...tokens.map((count) => (count === 1 ? '1 token' : `${count}`))],
    [...formatsOf(table)].map((format) => [
      format,
      ...tokens.map((count) => {
        const product = table.products.find((entry) => entry.format === format && entry.tokens === count);
        return product ? `${(product.streamed * 1e12).toFixed(0)} (${(product.cached * 1e12).toFixed(0)})` : '–';
      }),
    ]),
  );
  print('\nthreads: time from memory by that of one thread');
  printTable(
    ['threads', ...tokens.map((count) => (count === 1 ? '1 token' : `${count}`))],
    measuredThreads(table).map((threads) => [
      String(threads),
      ...tokens.map((count) => {
        const team = table.threads.find((entry) => entry.threads === threads && entry.tokens === count);
        return team ? team.streamed.toFixed(2) : '–';
      }),
    ]),
  );
}

function printPrediction({ token, promptToken, depth, threads }: ModelCost, energy: EnergyEstimate): void {
  print('\npredicted for the model');
  printFields({
    decode: `${(1 / token.seconds).toFixed(1)} tokens/s after ${depth} tokens with ${threads} ${threads === 1 ? 'thread' : 'threads'}, reads ${bytesForPeople(token.bytes)} per token`,
    prefill: `${(1 / promptToken.seconds).toFixed(1)} tokens/s`,
    energy: energyText(energy, 'J per token'),
  });
}

const energyText = (energy: EnergyEstimate, unit: string): string =>
  `${boundsText(energy, unit)}  [${energy.method}: ${energy.note}]`;
