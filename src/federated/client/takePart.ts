/** Takes part in a federation from beginning to end, as `espalier federate join` does: consent, training, and a personal adapter. */

import { deviceSensors } from '#leaf/adapt/sensors/deviceSensors';
import { clientFolder } from '#leaf/federated/client/clientFolder';
import type { Sensors } from '../../adapt/sensors/signals.ts';
import { OptionError, SourceError } from '../../core/errors.ts';
import { wait } from '../../formats/sources/retrying.ts';
import type { Dataset } from '../../train/data/dataset.ts';
import type { CompileTrainingOptions, TrainableModel } from '../../train/trainableModel.ts';
import { FederatedError } from '../federatedError.ts';
import type { FederationSettings } from '../server/settings.ts';
import type { ClientFolder } from './clientState.ts';
import type { Connection } from './connection.ts';
import { type ConsentOptions, checkConsent } from './consent.ts';
import { httpConnection, serverUrl } from './httpConnection.ts';
import { modelTrainer, openTrainingModel } from './modelTrainer.ts';
import { Participant, type ParticipantEvent } from './participant.ts';
import { type PersonalResult, personalize } from './personalize.ts';
import { type ReadyWhen, readyWhen } from './readiness.ts';
import { textsOf } from './texts.ts';
import { whatLeaves } from './whatLeaves.ts';

export interface TakePartOptions
  extends ConsentOptions,
    Pick<CompileTrainingOptions, 'threads' | 'backend' | 'signal' | 'onProgress'> {
  /** Paths or URLs of text files in UTF-8, or files that the user chose. They stay on the device. */
  readonly texts: readonly (string | Blob)[];
  /**
   * Asks the owner of the device before anything leaves it, and before the model is downloaded.
   * @param account what leaves the device, in plain sentences: show it to the owner
   */
  readonly agree: (account: string, settings: FederationSettings) => boolean | Promise<boolean>;
  /**
   * Folder of the identity and of the round under way, see `clientFolder`: on the disk, or in the browser's private file system.
   * A client that starts again with it continues its round. Default: 'federation-client'.
   */
  readonly folder?: string;
  /** Path or URL of the base model. Default: the one that the server names. */
  readonly model?: string;
  /** Conditions under which the device joins a round. Default: none. */
  readonly when?: ReadyWhen;
  /** Default: those of the device. A worker sees no battery: give it its page's, see `sensorsFrom`. */
  readonly sensors?: Sensors;
  /** Adapts the result to the device's own texts at the end. It never leaves the device. Default: it does not. */
  readonly personal?: PersonalAdapter;
  /** Milliseconds between two questions to the server. Default: 500; with `when`: 2000. */
  readonly interval?: number;
  /** In a page: URL of a copy of the package's worker. Default: the one beside the package's files. */
  readonly workerUrl?: string | URL;
  readonly onEvent?: (event: TakePartEvent) => void;
}

export interface PersonalAdapter {
  /** GGUF file: a path, or in a browser folders and a file of the private file system. */
  readonly path: string;
  /** Maximum number of updates. Default: 64. */
  readonly steps?: number;
}

export type TakePartEvent = ParticipantEvent | ClientReady | DeviceBusy | ServerAway | LeaveFailed;

/** The model and the texts are open. */
export interface ClientReady {
  /** Name of this client: its public key. */
  readonly client: string;
}

/** The device joins no round for now. Reported when the reason changes. */
export interface DeviceBusy {
  /** E.g. 'it runs on battery, at 40%'. */
  readonly waiting: string;
}

/** The model cannot be read, e.g. because its server is being started again. It is tried again. */
export interface ServerAway {
  readonly away: SourceError;
}

/** The client stops, but could not tell the server, which waits for it until the end of the phase. */
export interface LeaveFailed {
  readonly notLeft: Error;
}

export interface TakePartResult {
  /** Name of this client: its public key. */
  readonly client: string;
  /** Bytes of all messages that were sent. */
  readonly bytesSent: number;
  readonly personal?: PersonalResult;
}

const MAXIMUM_TRIES = 30;
/** Milliseconds. */
const RETRY_AFTER = 2000;
const INTERVAL = 500;
const SENSOR_INTERVAL = 2000;
/** Milliseconds to tell the server that this device leaves. */
const LEAVE_WITHIN = 5000;

/**
 * Takes part in a federation until it ends. `options.signal` withdraws: the client leaves its round, and the promise rejects with the
 * signal's reason.
 *
 *   await takePart('https://example.com/', { texts: [file], agree: (account) => confirm(account), when: { charging: true } });
 *
 * Training takes seconds to minutes without a pause. In a page, `espalier/federated` runs this function in a worker.
 * @param url of the server
 * @throws {FederatedError} NOT_ALLOWED if the owner does not agree, FOLDER_IN_USE if another process, tab or worker uses `folder`, and
 *   errors that every round would have
 */
export async function takePart(url: string | URL, options: TakePartOptions): Promise<TakePartResult> {
  const { signal, folder: path = 'federation-client' } = options;
  checkSensors(options);
  const connection = httpConnection(url);
  const settings = await connection.settings(signal);
  if (!(await options.agree(whatLeaves(settings), settings)))
    throw new FederatedError('NOT_ALLOWED', 'the owner of this device does not agree to what leaves it', {});
  checkConsent(settings, options);
  const folder = await clientFolder(path);
  try {
    const model = await openModel(url, settings, options);
    try {
      const data = await openTexts(model, options);
      try {
        return await takePartWith(model, data, { connection, settings, folder }, options);
      } finally {
        await data.close();
      }
    } finally {
      await model.dispose();
    }
  } finally {
    await folder.close();
  }
}

/** A condition on a battery that cannot be seen would be ignored. */
function checkSensors({ when, sensors }: TakePartOptions): void {
  if (when && !sensors && 'WorkerGlobalScope' in globalThis)
    throw new OptionError('sensors', sensors, "the page's sensors, because a worker sees no battery: see sensorsFrom");
}

/** Tries again while the server that has the model is away. The owner's own file is read once. */
async function openModel(
  url: string | URL,
  { training }: FederationSettings,
  { model, backend, threads, signal, onProgress, onEvent }: TakePartOptions,
): Promise<TrainableModel> {
  const published = training.model === 'model' ? new URL('model', serverUrl(url)).href : undefined;
  const compile = { backend, threads, signal, onProgress, model: model ?? published };
  for (let tries = 1; ; tries++) {
    try {
      return await openTrainingModel(training, compile);
    } catch (error) {
      if (!(error instanceof SourceError) || tries === MAXIMUM_TRIES || isFile(model)) throw error;
      onEvent?.({ away: error });
      await wait(RETRY_AFTER, signal);
    }
  }
}

function isFile(model: string | undefined): boolean {
  return model !== undefined && !/^(https?|hf):/.test(model);
}

function openTexts(
  model: TrainableModel,
  { texts, signal, onProgress }: TakePartOptions,
  heldOut?: number,
): Promise<Dataset> {
  return model.openData(textsOf(texts), { heldOut, signal, onProgress });
}

interface Member {
  readonly connection: Connection;
  readonly settings: FederationSettings;
  readonly folder: ClientFolder;
}

async function takePartWith(
  model: TrainableModel,
  data: Dataset,
  { connection, settings, folder }: Member,
  options: TakePartOptions,
): Promise<TakePartResult> {
  const { when, onEvent, signal, interval = when ? SENSOR_INTERVAL : INTERVAL, personal } = options;
  const { identity, store, optimizerStore } = folder;
  const { allowVisible, minimumCohort, allowLowThreshold, trusted, compression } = options;
  const start = await model.readWeights();
  const sensors = when && (options.sensors ?? deviceSensors());
  const participant = new Participant(connection, {
    ...{ identity, store, settings, allowVisible, minimumCohort, allowLowThreshold, trusted, compression },
    isReady: sensors && readyOnce(sensors, when, (waiting) => onEvent?.({ waiting })),
    trainer: modelTrainer(model, data, { optimizerStore, settings }),
    onEvent,
  });
  onEvent?.({ client: identity.name });
  try {
    await participant.run({ interval, signal });
  } catch (error) {
    // an error of `onEvent` meanwhile adds nothing to the first one
    await leave(participant, onEvent).catch(() => {});
    throw error;
  } finally {
    if (!options.sensors) sensors?.close?.();
  }
  const { bytesSent } = participant;
  if (!personal) return { client: identity.name, bytesSent };
  const { weightsHash } = await connection.status(identity.name, signal);
  const shared = await connection.weights(weightsHash, model.parameters, signal);
  const whole = await openTexts(model, options, 0);
  const { learningRate } = settings.training;
  const personalOptions = { steps: personal.steps, learningRate, start, whole, signal };
  const found = await personalize(model, data, shared, personalOptions).finally(() => whole.close());
  await model.write(personal.path);
  return { client: identity.name, bytesSent, personal: found };
}

/** Reports each reason once. */
function readyOnce(sensors: Sensors, when: ReadyWhen, onBusy: (reason: string) => void): () => Promise<boolean> {
  let said: string | undefined;
  const isReady = readyWhen(sensors, when, (reason) => {
    if (reason !== said) onBusy(reason);
    said = reason;
  });
  return async () => {
    const ready = await isReady();
    if (ready) said = undefined;
    return ready;
  };
}

/** Lets the others go on without this device. */
async function leave(participant: Participant, onEvent: TakePartOptions['onEvent']): Promise<void> {
  try {
    await participant.withdraw(AbortSignal.timeout(LEAVE_WITHIN));
  } catch (error) {
    onEvent?.({ notLeft: error as Error });
  }
}
