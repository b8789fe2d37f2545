/** A client of a federation: asks the server what to do, trains, and answers. Its state survives a restart. */

import { canonicalJson } from '../../formats/packages/canonicalJson.ts';
import { wait } from '../../formats/sources/retrying.ts';
import { normOf } from '../aggregation/update.ts';
import { canonicalHash } from '../canonicalHash.ts';
import { fromBase64, toBase64 } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import { hashOfWeights } from '../hashOfWeights.ts';
import { PrivacyBudget } from '../privacy/budget.ts';
import { notFinite } from '../privacy/quantize.ts';
import { secureRandom } from '../privacy/secureRandom.ts';
import { decodeMessage, encodeMessage, type RoundMessage, signMessage } from '../round/messages.ts';
import type { Instruction, Receipt } from '../round/protocol.ts';
import { checkRoundConfig, configHash, isEvaluation, type RoundConfig } from '../round/roundConfig.ts';
import { SecureMember } from '../secure/secureMember.ts';
import type { Status } from '../server/federation.ts';
import { mechanismOf } from '../server/roundConfigOf.ts';
import type { FederationSettings } from '../server/settings.ts';
import {
  type ClientState,
  type RoundState,
  readClientState,
  updatesOf,
  valuesOfText,
  valuesToText,
} from './clientState.ts';
import { checkCompression, encodeUpdate, UpdateCompressor } from './compression.ts';
import type { Connection } from './connection.ts';
import { type ConsentOptions, checkConsent, checkRound, MINIMUM_COHORT } from './consent.ts';
import type { Identity } from './identity.ts';
import { integersOf } from './integersOf.ts';
import { type TrainedUpdate, trainedUpdate, visibleBody } from './trainedUpdate.ts';

/** A client's training. */
export interface Trainer {
  /** Number of examples that the update counts. */
  readonly examples: number;
  /** Number of values in an update. */
  readonly parameters: number;
  /** Returns how far training on this client's data moves the weights [parameters], and the loss if it is known. */
  train(weights: Float32Array, config: RoundConfig, signal?: AbortSignal): Promise<Float32Array | TrainedUpdate>;
  /** Returns the mean loss of weights on this client's data, in nats per token. Default: the client joins no evaluation. */
  evaluate?(weights: Float32Array, config: RoundConfig, signal?: AbortSignal): Promise<number>;
}

/** Keeps the client's state. */
export interface ClientStore {
  load(): Promise<string | undefined>;
  /** The state is durable when the promise resolves. It contains secrets of the round. */
  save(state: string): Promise<void>;
}

export interface ParticipantOptions extends ConsentOptions {
  readonly identity: Identity;
  readonly trainer: Trainer;
  /** Settings that the owner agreed to; rounds that differ from them are left out. Default: what the server says at first. */
  readonly settings?: FederationSettings;
  /** Default: none, so a restart leaves the round. */
  readonly store?: ClientStore;
  /** Asked before each round, e.g. whether the device is charging and idle. Default: always. */
  readonly isReady?: () => boolean | Promise<boolean>;
  readonly onEvent?: (event: ParticipantEvent) => void;
}

export type ParticipantEvent = MessageSent | RoundFailed;

/** A message was sent. */
export interface MessageSent {
  readonly round: string;
  readonly sent: RoundMessage['kind'];
  readonly bytes: number;
  readonly receipt: Receipt;
}

/** The client leaves a round because of an error, and waits for the next one. */
export interface RoundFailed {
  readonly round: string;
  readonly error: FederatedError;
}

/** 'finished': the federation has ended. 'acted': a message was accepted. 'waiting': there is nothing to do now. */
export type StepResult = 'finished' | 'acted' | 'waiting';

/** Errors that end the client, because every round would have them. */
const LASTING = new Set(['NOT_ALLOWED', 'WRONG_MODEL', 'BUDGET_SPENT']);
/** Number of answers in a row that may be nonsense, e.g. the page of a proxy while the server is started again. */
const MAXIMUM_BAD_ANSWERS = 60;

export class Participant {
  readonly #connection: Connection;
  readonly #options: ParticipantOptions;
  readonly #compressor: UpdateCompressor;
  #settings: FederationSettings | undefined;
  #state: ClientState | undefined;
  #member: SecureMember | undefined;
  /** Id of a round that the client has left. */
  #skipped: string | undefined;
  #isWithdrawn = false;
  #badAnswers = 0;
  #bytesSent = 0;
  /** Resolves when the last message has been sent, or has failed. */
  #sending: Promise<unknown> = Promise.resolve();

  /** @throws {OptionError} if the compression does not suit the model's number of parameters */
  constructor(connection: Connection, options: ParticipantOptions) {
    checkCompression(options.compression ?? {}, options.trainer.parameters);
    this.#connection = connection;
    this.#options = options;
    this.#compressor = new UpdateCompressor(options.compression ?? {}, secureRandom());
  }

  /** Bytes of all messages that were sent. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Asks the server once, and answers. @throws {FederatedError} if the round has an error; the next steps leave it out */
  async step(signal?: AbortSignal): Promise<StepResult> {
    const result = await this.#next(signal);
    if (typeof result === 'string') return result;
    throw result.error;
  }

  /**
   * Takes part until the federation ends. A round that has an error is left, and reported to `onEvent`.
   * @param interval milliseconds between two questions; default: 1000
   * @throws {FederatedError} if the client cannot take part in any round
   */
  async run(options: { readonly interval?: number; readonly signal?: AbortSignal } = {}): Promise<void> {
    const { interval = 1000, signal } = options;
    while (!this.#isWithdrawn) {
      signal?.throwIfAborted();
      const result = await this.#next(signal);
      if (result === 'finished') return;
      if (typeof result !== 'string') {
        this.#options.onEvent?.(result);
        await this.#leave(signal).catch((error) => {
          if (!(error instanceof FederatedError)) throw error;
          this.#options.onEvent?.({ round: result.round, error });
        });
      }
      if (result !== 'acted') await wait(interval, signal);
    }
  }

  /** Leaves the round if its sum does not contain this client's update yet, and joins no other. */
  async withdraw(signal?: AbortSignal): Promise<void> {
    this.#isWithdrawn = true;
    await this.#leave(signal);
  }

  async #next(signal?: AbortSignal): Promise<StepResult | RoundFailed> {
    await this.#load(signal);
    const status = await this.#status(signal);
    if (!status) return 'waiting';
    const { config, instruction } = status;
    if (instruction.phase === 'finished') return 'finished';
    if (this.#isWithdrawn || !config || config.id === this.#skipped) return 'waiting';
    if (['wait', 'closed', 'aborted'].includes(instruction.phase)) return 'waiting';
    try {
      const checked = checkRoundConfig(config);
      this.#restoreMember(checked);
      return await this.#act(instruction as Instruction, checked, signal);
    } catch (error) {
      if (!(error instanceof FederatedError) || LASTING.has(error.code)) throw error;
      // the version ended before this client had its weights
      if (config.asynchronous && error.code === 'WRONG_ROUND') return this.#leaveVersion(config, signal);
      this.#skipped = config.id;
      return { round: config.id, error };
    }
  }

  /** Returns undefined if the answer is nonsense, but not too often in a row. */
  async #status(signal?: AbortSignal): Promise<Status | undefined> {
    try {
      const status = await this.#connection.status(this.#options.identity.name, signal);
      this.#badAnswers = 0;
      return status;
    } catch (error) {
      const isBad = error instanceof FederatedError && error.code === 'BAD_ANSWER';
      if (!isBad || ++this.#badAnswers > MAXIMUM_BAD_ANSWERS) throw error;
      return undefined;
    }
  }

  /** Continues the stored round after a restart. */
  #restoreMember(config: RoundConfig): void {
    const { identity, trusted } = this.#options;
    const { round } = this.#state!;
    if (this.#member || !round?.member || round.config !== configHash(config)) return;
    this.#member = SecureMember.restore(config, identity, round.member, trusted);
  }

  async #act(instruction: Instruction, config: RoundConfig, signal?: AbortSignal): Promise<StepResult> {
    if (instruction.phase === 'open') return this.#join(config, signal);
    const joined = this.#state!.round;
    // joined before a restart that forgot it
    if (joined?.id !== config.id) return config.asynchronous ? this.#leaveVersion(config, signal) : 'waiting';
    if (joined.config !== configHash(config))
      throw new FederatedError('WRONG_SETTINGS', `round ${config.id} has other settings than when this client joined`);
    const message = await this.#answer(instruction, config, signal);
    if (this.#isWithdrawn) return 'waiting';
    const receipt = await this.#send(message, signal);
    if (message.kind === 'update') await this.#keepResidual(receipt.status !== 'refused');
    // until it leaves, the server tells it to train from this version
    if (config.asynchronous && receipt.status === 'refused' && receipt.code !== 'TOO_EARLY')
      return this.#leaveVersion(config, signal);
    return this.#resultOf(receipt, config);
  }

  #resultOf({ status, code }: Receipt, { id }: RoundConfig): StepResult {
    if (status !== 'refused') return 'acted';
    if (code !== 'TOO_EARLY') this.#skipped = id; // the same message would be refused again
    return 'waiting';
  }

  async #join(config: RoundConfig, signal?: AbortSignal): Promise<StepResult> {
    const { identity, trainer, minimumCohort = MINIMUM_COHORT, isReady = () => true, trusted } = this.#options;
    const hash = configHash(config);
    checkRound(config, this.#settings!, trainer.parameters);
    // an evaluation may have a smaller cohort than training
    if (isEvaluation(config) && !trainer.evaluate) return 'waiting';
    if (config.mode === 'secure' && config.minimumCohort < minimumCohort) return 'waiting';
    this.#checkBudget();
    if (!(await isReady())) return 'waiting';
    const examples = Math.max(1, Math.min(trainer.examples, config.maximumExamples));
    const joined = this.#state!.round;
    // the answer to the last update was lost: adding what it contained to the next one might count it twice
    if (joined?.id !== config.id) await this.#keepResidual(true);
    let message: RoundMessage;
    if (config.mode === 'secure') {
      const isKnown = joined?.id === config.id && joined.config === hash && this.#member;
      if (!isKnown) this.#member = SecureMember.join(config, identity, examples, trusted);
      message = this.#member!.joinMessage;
    } else {
      this.#member = undefined;
      message = signMessage(
        { kind: 'join', round: config.id, client: identity.name, examples },
        hash,
        identity.secretKey,
      );
    }
    await this.#saveRound({ id: config.id, config: hash, member: this.#member?.state });
    if (this.#isWithdrawn) return 'waiting';
    return this.#resultOf(await this.#send(message, signal), config);
  }

  async #answer(instruction: Instruction, config: RoundConfig, signal?: AbortSignal): Promise<RoundMessage> {
    if (instruction.phase === 'update') {
      const { update } = this.#state!.round!;
      return update === undefined ? this.#update(instruction, config, signal) : decodeMessage(fromBase64(update));
    }
    const member = this.#member;
    let message: RoundMessage | undefined;
    if (instruction.phase === 'keys') message = await member?.shares(instruction);
    else if (instruction.phase === 'confirm') message = member?.confirm(instruction);
    else if (instruction.phase === 'unmask') message = member?.unmask(instruction);
    if (!member || !message)
      throw new FederatedError(
        'BAD_ROSTER',
        `round ${config.id}: the server asked for ${instruction.phase} in mode ${config.mode}`,
      );
    await this.#saveRound({ ...this.#state!.round!, member: member.state });
    return message;
  }

  async #update(
    instruction: Extract<Instruction, { phase: 'update' }>,
    config: RoundConfig,
    signal?: AbortSignal,
  ): Promise<RoundMessage> {
    const { identity, compression } = this.#options;
    const { update, loss } = await this.#train(config, signal);
    let message: RoundMessage;
    let residual: Float32Array | undefined;
    if (config.mode === 'visible') {
      const isCompressed = compression && !isEvaluation(config);
      const encoded = isCompressed ? this.#compressor.encode(update) : encodeUpdate(update, {}, secureRandom());
      const body = visibleBody(encoded, loss, config);
      if (isCompressed) residual = this.#compressor.residual;
      message = signMessage(
        { kind: 'update', round: config.id, client: identity.name, body },
        configHash(config),
        identity.secretKey,
      );
    } else {
      const { examples } = this.#member!.joinMessage;
      message = await this.#member!.update(instruction, integersOf(update, config, examples, loss));
    }
    const round = {
      ...this.#state!.round!,
      member: this.#member?.state,
      update: toBase64(encodeMessage(message)),
      residual: valuesToText(residual),
    };
    const { federation, updates } = this.#state!;
    const counted = { ...updates, [federation]: updatesOf(this.#state!) + 1 };
    await this.#save({ ...this.#state!, round, updates: counted });
    return message;
  }

  async #train(config: RoundConfig, signal?: AbortSignal): Promise<TrainedUpdate> {
    const { trainer } = this.#options;
    const weights = await this.#connection.weights(config.weights, trainer.parameters, signal);
    if (weights.length !== trainer.parameters || hashOfWeights(weights) !== config.weights)
      throw new FederatedError(
        'BAD_WEIGHTS',
        `round ${config.id}: the server sent weights that differ from their hash`,
      );
    const trained = trainedUpdate(
      isEvaluation(config)
        ? Float32Array.of(await trainer.evaluate!(weights, config, signal))
        : await trainer.train(weights, config, signal),
    );
    if (!Number.isFinite(normOf(trained.update)) || Number.isNaN(trained.loss)) throw notFinite();
    return trained;
  }

  /** The noise of each update is this client's: it counts them itself. */
  #checkBudget(): void {
    const { privacy } = this.#settings!;
    if (privacy?.noise !== 'distributed') return;
    const budget = new PrivacyBudget(privacy);
    const mechanism = mechanismOf(this.#settings!)!;
    for (let i = 0; i <= updatesOf(this.#state!); i++) budget.spend(mechanism);
  }

  /** Keeps the values that compression left out of an accepted update: they are added to the next one. A refused update changes nothing. */
  async #keepResidual(isAccepted: boolean): Promise<void> {
    const { round, residual } = this.#state!;
    if (round?.residual === undefined) return;
    const kept = isAccepted ? round.residual : residual;
    this.#compressor.residual = valuesOfText(kept);
    await this.#save({ ...this.#state!, residual: kept, round: { ...round, residual: undefined } });
  }

  /** Tells the server that this client leaves the round, so that the others need not wait for it. */
  async #leave(signal?: AbortSignal): Promise<void> {
    const round = this.#state?.round;
    if (round) await this.#withdrawFrom(round.id, round.config, signal);
  }

  /** Leaves the version of an asynchronous round that this client cannot train from, to join the current one. */
  async #leaveVersion(config: RoundConfig, signal?: AbortSignal): Promise<StepResult> {
    const { status } = await this.#withdrawFrom(config.id, configHash(config), signal);
    // a version takes a limited number of withdrawals: the next one takes it, or no longer counts this client
    return status === 'refused' ? 'waiting' : 'acted';
  }

  #withdrawFrom(round: string, config: string, signal?: AbortSignal): Promise<Receipt> {
    const { identity } = this.#options;
    const message = { kind: 'withdraw', round, client: identity.name } as const;
    return this.#send(signMessage(message, config, identity.secretKey), signal);
  }

  async #send(message: RoundMessage, signal?: AbortSignal): Promise<Receipt> {
    const bytes = encodeMessage(message);
    // in order: a server that has not seen this client join would refuse that it withdraws
    const sent = this.#sending.then(() => this.#connection.send(bytes, signal));
    this.#sending = sent.catch(() => {});
    const receipt = await sent;
    this.#bytesSent += bytes.length;
    this.#options.onEvent?.({ round: message.round, sent: message.kind, bytes: bytes.length, receipt });
    return receipt;
  }

  async #load(signal?: AbortSignal): Promise<void> {
    if (this.#settings) return;
    const { store } = this.#options;
    const settings = this.#options.settings ?? (await this.#connection.settings(signal));
    checkConsent(settings, this.#options);
    const state = readClientState(await store?.load(), canonicalHash(settings));
    this.#compressor.residual = valuesOfText(state.residual);
    this.#state = state;
    this.#settings = settings;
  }

  #saveRound(round: RoundState): Promise<void> {
    return this.#save({ ...this.#state!, round });
  }

  async #save(state: ClientState): Promise<void> {
    await this.#options.store?.save(canonicalJson(state as never));
    this.#state = state;
  }
}
