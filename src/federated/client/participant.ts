/** A client of a federation: asks the server what to do, trains, and answers. Its state survives a restart. */
import { canonicalJson } from '../../formats/packages/canonicalJson.ts';
import { normOf } from '../aggregation/update.ts';
import { fromBase64, toBase64 } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import { discreteGaussian } from '../privacy/discreteGaussian.ts';
import { notFinite, quantize } from '../privacy/quantize.ts';
import { secureRandom } from '../privacy/secureRandom.ts';
import { decodeMessage, encodeMessage, type RoundMessage, signMessage } from '../round/messages.ts';
import type { Instruction, Receipt } from '../round/round.ts';
import { checkRoundConfig, configHash, isEvaluation, type RoundConfig } from '../round/roundConfig.ts';
import { type MemberState, SecureMember } from '../secure/secureMember.ts';
import { hashOfWeights } from '../server/federation.ts';
import { type CompressionOptions, encodeUpdate, UpdateCompressor } from './compression.ts';
import type { Connection } from './connection.ts';
import type { Identity } from './identity.ts';

/** A client's training. */
export interface Trainer {
  /** Number of examples that the update counts. */
  readonly examples: number;
  /** Number of values in an update. */
  readonly parameters: number;
  /** Returns how far training on this client's data moves the weights [parameters]. */
  train(weights: Float32Array, config: RoundConfig, signal?: AbortSignal): Promise<Float32Array>;
  /** Returns the mean loss of weights on this client's data, in nats per token. Default: the client joins no evaluation. */
  evaluate?(weights: Float32Array, config: RoundConfig, signal?: AbortSignal): Promise<number>;
}

/** Keeps the client's state. */
export interface ClientStore {
  load(): Promise<string | undefined>;
  /** The state is durable when the promise resolves. It contains secrets of the round. */
  save(state: string): Promise<void>;
}

export interface ParticipantOptions {
  readonly identity: Identity;
  readonly trainer: Trainer;
  /** Default: none, so a restart leaves the round. */
  readonly store?: ClientStore;
  /** Names of the clients that may be in a secure round. Default: any, as the server says. */
  readonly trusted?: ReadonlySet<string>;
  /** Also joins rounds in which the server sees this client's update. Default: false. */
  readonly allowVisible?: boolean;
  /** Joins no round with fewer members. Default: 3. */
  readonly minimumCohort?: number;
  /** Compression of updates in visible rounds. */
  readonly compression?: CompressionOptions;
  /** Asked before each round, e.g. whether the device is charging and idle. Default: always. */
  readonly isReady?: () => boolean | Promise<boolean>;
  readonly onEvent?: (event: ParticipantEvent) => void;
}

export interface ParticipantEvent {
  readonly round: string;
  readonly sent: RoundMessage['kind'];
  readonly bytes: number;
  readonly receipt: Receipt;
}

interface SavedState {
  readonly round: string;
  readonly member?: MemberState;
  /** The signed update, in base64. */
  readonly update?: string;
}

/** 'finished': the federation has ended. 'acted': a message was sent. 'waiting': there is nothing to do now. */
export type StepResult = 'finished' | 'acted' | 'waiting';

export class Participant {
  readonly #connection: Connection;
  readonly #options: ParticipantOptions;
  readonly #compressor: UpdateCompressor;
  #saved: SavedState | undefined;
  #isLoaded = false;
  #member: SecureMember | undefined;
  #isWithdrawn = false;
  #bytesSent = 0;

  constructor(connection: Connection, options: ParticipantOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#compressor = new UpdateCompressor(options.compression ?? {}, secureRandom());
  }

  /** Bytes of all messages that were sent. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Asks the server once, and answers. @throws {FederatedError} if the server asks for something that it must not get */
  async step(signal?: AbortSignal): Promise<StepResult> {
    const { identity } = this.#options;
    await this.#load();
    const { config: given, instruction } = await this.#connection.status(identity.name, signal);
    if (instruction.phase === 'finished') return 'finished';
    if (this.#isWithdrawn || ['wait', 'closed', 'aborted'].includes(instruction.phase)) return 'waiting';
    const config = checkRoundConfig(given);
    if (instruction.phase === 'open') return this.#join(config, signal);
    if (this.#saved?.round !== config.id) return 'waiting'; // joined before a restart that forgot the secrets
    const message = await this.#answer(instruction, config, signal);
    await this.#send(message, config, signal);
    return 'acted';
  }

  /** Takes part until the federation ends. @param interval milliseconds between two questions; default: 1000 */
  async run(options: { readonly interval?: number; readonly signal?: AbortSignal } = {}): Promise<void> {
    const { interval = 1000, signal } = options;
    while (!this.#isWithdrawn) {
      signal?.throwIfAborted();
      const result = await this.step(signal);
      if (result === 'finished') return;
      if (result === 'waiting') await wait(interval, signal);
    }
  }

  /** Leaves the round if its sum does not contain this client's update yet, and joins no other. */
  async withdraw(): Promise<void> {
    this.#isWithdrawn = true;
    const { identity } = this.#options;
    const { config: given } = await this.#connection.status(identity.name);
    if (!given || this.#saved?.round !== given.id) return;
    const config = checkRoundConfig(given);
    const message = signMessage(
      { kind: 'withdraw', round: config.id, client: identity.name },
      configHash(config),
      identity.secretKey,
    );
    await this.#send(message, config);
  }

  async #join(config: RoundConfig, signal?: AbortSignal): Promise<StepResult> {
    const { identity, trainer, allowVisible = false, minimumCohort = 3, isReady = () => true, trusted } = this.#options;
    if (config.mode === 'visible' && !allowVisible)
      throw new FederatedError(
        'NOT_ALLOWED',
        `round ${config.id} shows this client's update to the server: allow it explicitly`,
      );
    if (config.mode === 'secure' && config.minimumCohort < minimumCohort)
      throw new FederatedError(
        'NOT_ALLOWED',
        `round ${config.id} may sum ${config.minimumCohort} updates, expected at least ${minimumCohort}`,
      );
    if (isEvaluation(config)) {
      if (!trainer.evaluate || config.parameters !== 1) return 'waiting';
    } else if (config.parameters !== trainer.parameters)
      throw new FederatedError(
        'WRONG_MODEL',
        `round ${config.id} has ${config.parameters} parameters, this client's model ${trainer.parameters}`,
      );
    if (!(await isReady())) return 'waiting';
    const examples = Math.max(1, Math.min(trainer.examples, config.maximumExamples));
    let message: RoundMessage;
    if (config.mode === 'secure') {
      this.#member =
        this.#saved?.round === config.id && this.#member
          ? this.#member
          : SecureMember.join(config, identity, examples, trusted);
      message = this.#member.joinMessage;
      await this.#save({ round: config.id, member: this.#member.state });
    } else {
      message = signMessage(
        { kind: 'join', round: config.id, client: identity.name, examples },
        configHash(config),
        identity.secretKey,
      );
      await this.#save({ round: config.id });
    }
    const { status } = await this.#send(message, config, signal);
    return status === 'refused' ? 'waiting' : 'acted';
  }

  async #answer(instruction: Instruction, config: RoundConfig, signal?: AbortSignal): Promise<RoundMessage> {
    const { identity } = this.#options;
    if (instruction.phase === 'update') {
      if (this.#saved?.update !== undefined) return this.#savedUpdate(config);
      const update = await this.#train(config, signal);
      let message: RoundMessage;
      if (config.mode === 'visible') {
        const body = isEvaluation(config) ? encodeUpdate(update, {}, secureRandom()) : this.#compressor.encode(update);
        message = signMessage(
          { kind: 'update', round: config.id, client: identity.name, body },
          configHash(config),
          identity.secretKey,
        );
      } else
        message = await this.#member!.update(
          instruction,
          integersOf(update, config, this.#member!.joinMessage.examples),
        );
      if (this.#options.store)
        await this.#save({ round: config.id, member: this.#member?.state, update: toBase64(encodeMessage(message)) });
      return message;
    }
    const member = this.#member;
    if (!member || (instruction.phase !== 'keys' && instruction.phase !== 'unmask'))
      throw new FederatedError(
        'BAD_ROSTER',
        `round ${config.id}: the server asked for ${instruction.phase} in mode ${config.mode}`,
      );
    const message = instruction.phase === 'keys' ? await member.shares(instruction) : member.unmask(instruction);
    await this.#save({ ...this.#saved!, member: member.state });
    return message;
  }

  async #train(config: RoundConfig, signal?: AbortSignal): Promise<Float32Array> {
    const weights = await this.#connection.weights(config.weights, signal);
    const { trainer } = this.#options;
    if (weights.length !== trainer.parameters || hashOfWeights(weights) !== config.weights)
      throw new FederatedError(
        'BAD_WEIGHTS',
        `round ${config.id}: the server sent weights that differ from their hash`,
      );
    const update = isEvaluation(config)
      ? Float32Array.of(await trainer.evaluate!(weights, config, signal))
      : await trainer.train(weights, config, signal);
    if (!Number.isFinite(normOf(update))) throw notFinite();
    return update;
  }

  #savedUpdate(config: RoundConfig): RoundMessage {
    return { ...decode(this.#saved!.update!), round: config.id };
  }

  async #send(message: RoundMessage, config: RoundConfig, signal?: AbortSignal): Promise<Receipt> {
    const bytes = encodeMessage(message);
    const receipt = await this.#connection.send(bytes, signal);
    this.#bytesSent += bytes.length;
    this.#options.onEvent?.({ round: config.id, sent: message.kind, bytes: bytes.length, receipt });
    return receipt;
  }

  async #load(): Promise<void> {
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    const text = await this.#options.store?.load();
    if (text === undefined) return;
    const saved = JSON.parse(text) as SavedState & { config?: unknown };
    this.#saved = saved;
    if (!saved.member) return;
    const { config } = await this.#connection.status(this.#options.identity.name);
    if (!config || config.id !== saved.round) return;
    this.#member = SecureMember.restore(
      checkRoundConfig(config),
      this.#options.identity,
      saved.member,
      this.#options.trusted,
    );
  }

  async #save(state: SavedState): Promise<void> {
    this.#saved = state;
    await this.#options.store?.save(canonicalJson(state as never));
  }
}

function decode(text: string): RoundMessage {
  return decodeMessage(fromBase64(text));
}

/** Clips, weights and rounds an update, and adds this client's part of the noise. */
function integersOf(update: Float32Array, config: RoundConfig, examples: number): Int32Array {
  const { clip, scale, noise } = config.secure!;
  const random = secureRandom();
  const weight = config.task.weighting === 'uniform' ? 1 : examples / config.maximumExamples;
  const norm = normOf(update);
  const factor = weight * Math.min(1, norm > 0 ? clip / norm : 1);
  const { integers } = quantize(
    update.map((value) => factor * value),
    { clip, scale },
    random,
  );
  if (noise === 0) return integers;
  const sample = discreteGaussian(noise, random);
  return integers.map((value) => value + sample());
}

function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }
    function aborted() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
