/** `espalier federate`: devices train an adapter together and keep their texts. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout } from 'node:timers/promises';
import { Command } from 'commander';
import {
  type CompressionOptions,
  checkSettings,
  describeSettings,
  Federation,
  type FederationSettings,
  fileJournal,
  openTrainingModel,
  type ReadyWhen,
  type ReportLine,
  type TakePartEvent,
  takePart,
} from '../../federated/index.ts';
import { type BackendName, FormatError, OptionError } from '../../index.ts';
import { describePersonal } from '../describePersonal.ts';
import { serveFederation } from '../federationServer.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples, number } from '../options.ts';
import { bytesForPeople, note, print, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';

interface ComputeValues {
  readonly threads?: number;
  readonly backend: BackendName;
}

interface ServeValues extends ComputeValues {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly output?: string;
  readonly linger: number;
  readonly allow?: string;
  readonly perAddress?: number;
  readonly json?: boolean;
}

interface JoinValues extends ComputeValues {
  readonly data: readonly string[];
  readonly model?: string;
  readonly state: string;
  readonly yes?: boolean;
  readonly allowVisible?: boolean;
  readonly allowLowThreshold?: boolean;
  readonly minimumCohort: number;
  readonly trusted?: string;
  readonly compress?: number;
  readonly compressTop?: number;
  readonly when?: string;
  readonly personal?: string;
  readonly personalSteps?: number;
}

export function federateCommand(): Command {
  const command = new Command('federate').description('Train with other devices, without sharing texts.');
  const serve = addComputeOptions(command.command('serve'))
    .description('Coordinate a federation: publish the task, sum masked updates, write the adapter.')
    .argument('<settings>', 'settings of the federation (JSON file)')
    .option('--folder <path>', 'folder of the journal; a killed server continues from it', 'federation')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on; 0: any free one', number, 8090)
    .option('--output <path>', 'GGUF file for the result')
    .option('--linger <seconds>', 'how long to answer clients after the last round', number, 30)
    .option('--allow <file>', 'let only these clients join: a file with one public key per line')
    .option('--per-address <count>', 'maximum number of clients per address and round (not behind a proxy)', number)
    .option('--json', 'print the report as JSON lines')
    .action(runServer);
  serve.addHelpText('after', `\n\n${describeSettings()}`);
  addComputeOptions(command.command('join'))
    .description('Take part in a federation with texts of your own. They stay on this device.')
    .argument('<url>', 'URL of the server')
    .requiredOption('--data <path...>', 'text files, or folders of text files')
    .option('--model <path>', 'base model (default: the one that the server names)')
    .option('--state <folder>', 'folder of the identity and of the round under way', 'federation-client')
    .option('--yes', 'agree to what leaves this device, without being asked')
    .option('--allow-visible', 'also join if the server sees the update of this device')
    .option(
      '--allow-low-threshold',
      'also join if half of the neighbours suffice to remove masks, so that a lying server could see one update',
    )
    .option('--minimum-cohort <count>', 'join no round that sums fewer updates', number, 3)
    .option('--trusted <file>', 'public keys of the clients that may be in a secure round, one per line (default: any)')
    .option('--compress <bits>', 'bits per value of an update that the server sees: 8 or 4', number)
    .option('--compress-top <fraction>', 'send only this fraction of such an update, its largest values', number)
    .option('--when <conditions>', `take part only while: ${Object.keys(conditions).join(', ')} (comma-separated)`)
    .option('--personal <path>', 'at the end, adapt the result to the own texts and write it here; it never leaves')
    .option('--personal-steps <count>', 'maximum number of steps of the personal adapter; default: 64', number)
    .action(joinFederation);
  return examples(command, [
    'espalier federate serve federation.json --output adapter.gguf',
    'espalier federate join http://localhost:8090 --data texts/ --personal mine.gguf',
  ]);
}

async function runServer(path: string, values: ServeValues): Promise<void> {
  const signal = interruptSignal();
  const settings = await readSettings(path);
  const published = await publishedModel(settings);
  const { allow, perAddress: maximumPerAddress } = values;
  const admission = { allowed: allow === undefined ? undefined : await readKeys(allow), maximumPerAddress };
  if (allow === undefined && maximumPerAddress === undefined && !isLoopback(values.host))
    note('anybody who reaches this server can fill its rounds with clients: use --allow or --per-address');
  const bar = progressBar();
  const { backend, threads, output, json } = values;
  const compile = { backend, threads, signal, onProgress: bar.onProgress };
  const model = await openTrainingModel(settings.training, compile);
  try {
    bar.stop();
    const federation = await Federation.open(
      settings,
      {
        journal: await fileJournal(values.folder),
        weights: await model.readWeights(),
        admission,
        onLine: (line) => (json ? printJson(line) : print(describeLine(line))),
      },
      Date.now(),
    );
    let failure: Error | undefined;
    const server = await serveFederation(federation, { ...values, model: published }, (error) => {
      failure = error;
    });
    note(`federation ${settings.name} at ${server.url}, ${model.parameters.toLocaleString('en-US')} parameters`);
    try {
      while (!federation.finished) {
        await pause(200, signal);
        if (failure) throw failure;
      }
      if (output !== undefined) {
        await model.writeWeights(federation.weights);
        await model.write(output);
      }
      note(`finished: ${federation.finished}${output === undefined ? '' : `; result in ${output}`}`);
      await pause(1000 * values.linger, signal);
    } finally {
      await server.close();
      await federation.close();
    }
  } finally {
    await model.dispose();
  }
}

/** Returns the path of the model that clients download from this server; undefined if the settings name a URL. */
async function publishedModel({ training: { model } }: FederationSettings): Promise<string | undefined> {
  const found = await stat(model).catch(() => undefined);
  if (found && !found.isFile())
    throw new OptionError('training.model', model, 'a file, because clients download it from this server, or a URL');
  return found && model;
}

async function joinFederation(url: string, values: JoinValues): Promise<void> {
  const signal = interruptSignal();
  const paths = await textPaths(values.data);
  const trusted = values.trusted === undefined ? undefined : await readKeys(values.trusted);
  const compression = compressionOf(values);
  if (values.personalSteps !== undefined && values.personal === undefined)
    throw new OptionError('--personal-steps', values.personalSteps, '--personal, which names the file of the adapter');
  const bar = progressBar();
  const { backend, threads, model, allowVisible, allowLowThreshold, minimumCohort, personal, when } = values;
  const { bytesSent, ...result } = await takePart(url, {
    ...{ texts: paths, folder: values.state, model, backend, threads, signal, onProgress: bar.onProgress },
    ...{ allowVisible, allowLowThreshold, minimumCohort, trusted, compression },
    when: when === undefined ? undefined : conditionsOf(when),
    personal: personal === undefined ? undefined : { path: personal, steps: values.personalSteps },
    agree: async (account, settings) => {
      checkMode(values, settings);
      print(`${account}\nCtrl-C stops.`);
      if (!values.yes && !(await agrees())) throw new OptionError('consent', 'no', 'y, or --yes');
      return true;
    },
    onEvent: (event) => {
      bar.stop();
      note(describeEvent(event));
    },
  }).finally(() => bar.stop());
  note(`finished; ${bytesForPeople(bytesSent)} left this device`);
  if (result.personal) note(`personal adapter in ${personal}: ${describePersonal(result.personal)}`);
}

/** Refuses options that have no effect. */
function checkMode({ trusted, compress, compressTop }: JoinValues, { mode }: FederationSettings): void {
  if (trusted !== undefined && mode === 'visible')
    throw new OptionError('--trusted', trusted, 'no list: a visible round has no roster to check');
  if ((compress !== undefined || compressTop !== undefined) && mode === 'secure')
    throw new OptionError('--compress', compress ?? compressTop, 'no compression: masked updates cannot be compressed');
}

/** Reads public keys, one per line; text after # is a comment. */
async function readKeys(path: string): Promise<ReadonlySet<string>> {
  const text = (await readFile(path, 'utf8')).toLowerCase();
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim());
  for (const [i, line] of lines.entries())
    if (line !== '' && !/^[0-9a-f]{64}$/.test(line))
      throw new FormatError(path, `line ${i + 1} is not a public key of 64 hexadecimal digits`);
  return new Set(lines.filter((line) => line !== ''));
}

function compressionOf({ compress, compressTop }: JoinValues): CompressionOptions | undefined {
  if (compress === undefined && compressTop === undefined) return undefined;
  if (compressTop !== undefined) {
    if (compress !== undefined) throw new OptionError('--compress', compress, 'only one of --compress, --compress-top');
    // a value has 8 bytes with its index, and a message at most 4 for each parameter
    if (!(compressTop > 0 && compressTop < 0.5))
      throw new OptionError('--compress-top', compressTop, 'above 0 and below 0.5');
    return { top: compressTop };
  }
  if (compress !== 8 && compress !== 4) throw new OptionError('--compress', compress, '8 or 4');
  return { bits: compress };
}

function describeEvent(event: TakePartEvent): string {
  if ('client' in event) return `this device is ${event.client}`;
  if ('waiting' in event) return `waiting: ${event.waiting}`;
  if ('away' in event) return `${event.away.message}; trying again`;
  if ('notLeft' in event) return `the server does not know that this device left: ${event.notLeft.message}`;
  if ('error' in event) return `${event.round}: left, ${event.error.message}`;
  const { round, sent, bytes, receipt } = event;
  return `${round}: sent ${sent}, ${bytesForPeople(bytes)}${receipt.reason ? `, ${receipt.reason}` : ''}`;
}

/** The values of --when. */
const conditions: Readonly<Record<keyof ReadyWhen, true>> = { charging: true, unmetered: true, idle: true };

function conditionsOf(text: string): ReadyWhen {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names)
    if (!Object.hasOwn(conditions, name)) throw new OptionError('--when', name, Object.keys(conditions).join(', '));
  return Object.fromEntries(names.map((name) => [name, true]));
}

async function readSettings(path: string): Promise<FederationSettings> {
  const text = await readFile(path, 'utf8');
  try {
    return checkSettings(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) throw new FormatError(path, `is not JSON: ${error.message}`);
    throw error;
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

async function textPaths(given: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const path of given) {
    if (!(await stat(path)).isDirectory()) paths.push(path);
    else for (const name of (await readdir(path)).sort()) if (/\.(txt|md)$/i.test(name)) paths.push(join(path, name));
  }
  if (paths.length === 0) throw new OptionError('--data', given.join(' '), 'text files (.txt, .md)');
  return paths;
}

async function agrees(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question('Take part? [y/N] ');
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}

function describeLine({
  round,
  outcome,
  reason,
  contributors,
  joined,
  bytesReceived,
  bytesSent,
  epsilon,
  loss,
  staleness,
  trainingLoss,
}: ReportLine): string {
  if (outcome === 'aborted') return `${round}: aborted, ${reason}`;
  if (loss !== undefined) return `${round}: ${contributors} held-out devices, loss ${loss.toFixed(4)}`;
  const privacy = epsilon === undefined ? '' : `, ε ${epsilon.toFixed(3)}`;
  const clients = staleness
    ? `${contributors} updates, staleness ${staleness.mean.toFixed(1)} (at most ${staleness.maximum})`
    : `${contributors} of ${joined} clients`;
  const training = trainingLoss === undefined ? '' : `training loss ${trainingLoss.toFixed(4)}, `;
  return `${round}: ${clients}, ${training}${bytesForPeople(bytesReceived)} received, ${bytesForPeople(bytesSent)} sent${privacy}`;
}

/** @throws the signal's reason if it aborts */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch((error) => {
    signal.throwIfAborted();
    throw error;
  });
}
