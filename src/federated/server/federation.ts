/**
 * The server of a federation: opens rounds, receives messages, combines updates, moves the weights. Everything that changes its state is
 * in the journal before it is acknowledged, so it can be killed at any point. Without sockets and without clocks: callers pass the
 * time in milliseconds.
 */

import { randomBytes } from '@noble/hashes/utils.js';
import { ServerOptimizer } from '../aggregation/serverOptimizer.ts';
import { normOf } from '../aggregation/update.ts';
import { canonicalHash } from '../canonicalHash.ts';
import { bytesToHex } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import { hashOfWeights } from '../hashOfWeights.ts';
import { BufferedRound } from '../round/bufferedRound.ts';
import { decodeMessage, hashOfBody, hasValidSignature, type RoundMessage } from '../round/messages.ts';
import type { Instruction, Receipt, RoundMachine } from '../round/protocol.ts';
import { isEvaluation, type RoundConfig } from '../round/roundConfig.ts';
import { startRound } from '../round/startRound.ts';
import { Admission, type AdmissionOptions } from './admission.ts';
import { type Combined, combineRound } from './combineRound.ts';
import { decodeEntry, type Entry, encodeEntry, newCounters } from './entries.ts';
import type { Journal } from './journal.ts';
import { PrivacyLedger } from './privacyLedger.ts';
import { type ReportLine, stalenessOf, sumOfExamples } from './reportLine.ts';
import { mechanismOf, roundConfigOf } from './roundConfigOf.ts';
import { closedTrainings, isEvaluationDue } from './schedule.ts';
import { mayJoin } from './selection.ts';
import type { FederationSettings } from './settings.ts';
import { decodeSnapshot, encodeSnapshot, type FederationState } from './snapshot.ts';

export interface FederationOptions {
  readonly journal: Journal;
  /** Starting weights. Needed if the journal is empty. */
  readonly weights?: Float32Array;
  /** Called with each line of the report. */
  readonly onLine?: (line: ReportLine) => void;
  /** False in simulations, whose messages are not signed. Default: true. */
  readonly signed?: boolean;
  /** Key that decides which clients are chosen: 32 bytes in hexadecimal. Default: a random one, which the journal keeps. */
  readonly samplingKey?: string;
  /** Who may join. Default: everybody. */
  readonly admission?: AdmissionOptions;
}

/** Answer to a client that asks for its next step. */
export interface Status {
  readonly federation: string;
  /** SHA-256 of the current weights. */
  readonly weightsHash: string;
  /** The current round; with asynchronous rounds, the version from which the client trains. */
  readonly config?: RoundConfig;
  readonly instruction: Instruction | { readonly phase: 'finished'; readonly reason: string };
}

export class Federation {
  readonly settings: FederationSettings;
  readonly #journal: Journal;
  readonly #signed: boolean;
  readonly #onLine?: (line: ReportLine) => void;
  readonly #privacy?: PrivacyLedger;
  readonly #admission: Admission;
  #state: FederationState;
  #optimizer: ServerOptimizer;
  #round: RoundMachine | undefined;
  #openedAt = 0;
  #weightsHash: string;
  #finished = '';
  #counters = newCounters();
  /** Messages and time are applied one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #broken: Error | undefined;
  #durable: Promise<void> = Promise.resolve();

  private constructor(settings: FederationSettings, state: FederationState, options: FederationOptions) {
    this.settings = settings;
    this.#journal = options.journal;
    this.#signed = options.signed ?? true;
    this.#onLine = options.onLine;
    this.#admission = new Admission(options.admission ?? {});
    this.#state = state;
    this.#optimizer = new ServerOptimizer(settings.optimizer, state.optimizer);
    this.#weightsHash = hashOfWeights(state.weights);
    if (settings.privacy) this.#privacy = new PrivacyLedger(settings, state.report);
  }

  /**
   * Opens a federation, or continues the one in the journal.
   * @param now server's time in milliseconds
   * @throws {FederatedError} BAD_JOURNAL if the journal belongs to other settings
   */
  static async open(settings: FederationSettings, options: FederationOptions, now: number): Promise<Federation> {
    const { snapshot, entries } = await options.journal.read();
    const settingsHash = canonicalHash(settings);
    if (!snapshot) {
      if (!options.weights) throw new FederatedError('BAD_JOURNAL', 'a new federation needs starting weights');
      const { samplingKey = bytesToHex(randomBytes(32)) } = options;
      const state = { settings: settingsHash, samplingKey, begun: 0, weights: options.weights, report: [] };
      await options.journal.replace(encodeSnapshot(state));
      const federation = new Federation(settings, state, options);
      await federation.#openRound(now);
      return federation;
    }
    const state = decodeSnapshot(snapshot);
    if (state.settings !== settingsHash)
      throw new FederatedError(
        'BAD_JOURNAL',
        'the journal belongs to a federation with other settings: use another folder',
      );
    const federation = new Federation(settings, state, options);
    for await (const entry of entries) federation.#replay(entry);
    if (!federation.#round) await federation.#openRound(now);
    await federation.#inTurn(async () => {
      await federation.#passTime(now);
      await federation.#closeIfComplete(now);
    });
    return federation;
  }

  /** Shared weights [parameters]. Do not change them. */
  get weights(): Float32Array {
    return this.#state.weights;
  }

  get weightsHash(): string {
    return this.#weightsHash;
  }

  get report(): readonly ReportLine[] {
    return this.#state.report;
  }

  /** The round that is under way, or is over and not yet in the journal. Undefined at the end of the federation. */
  get round(): RoundMachine | undefined {
    return this.#round;
  }

  /** Reason of the end, or '' while training goes on. */
  get finished(): string {
    return this.#finished;
  }

  /** ε spent. Undefined without a privacy budget: no accountant, no ε. */
  get epsilon(): number | undefined {
    return this.#privacy?.epsilon;
  }

  /** Noise of a round, relative to what one client can change. Undefined without a privacy budget. */
  get noiseMultiplier(): number | undefined {
    return mechanismOf(this.settings)?.noiseMultiplier;
  }

  /** Resolves when the journal holds everything that the state holds now. Answers to clients wait for it. */
  get durable(): Promise<void> {
    return this.#durable;
  }

  /** Returns a client's next step, which may be told once `durable` has resolved. @param client its name */
  status(client: string): Status {
    const common = { federation: this.settings.name, weightsHash: this.#weightsHash };
    if (!this.#round) return { ...common, instruction: { phase: 'finished', reason: this.#finished } };
    const config = this.#round.configFor(client);
    const instruction = this.#round.instructionFor(client);
    if (instruction.phase === 'open' && !this.#mayJoin(client, this.#round))
      return { ...common, config, instruction: { phase: 'wait', for: 'open' } };
    return { ...common, config, instruction };
  }

  /**
   * Receives a client's message.
   * @param bytes as `encodeMessage` makes them
   * @param address of the client, for limits
   */
  async receive(bytes: Uint8Array, now: number, address?: string): Promise<Receipt> {
    this.#counters.bytesReceived += bytes.length;
    const round = this.#round;
    if (!round) return this.refuse('TOO_LATE', `the federation is finished: ${this.#finished}`);
    let message: RoundMessage;
    try {
      message = decodeMessage(bytes);
    } catch (error) {
      return this.refuse((error as FederatedError).code, (error as Error).message);
    }
    // a version that is over knows the hashes of those whose members still send
    const hash = round.hashOf(message.round);
    if (hash === undefined) {
      const { code, reason } = round.refusalOf(message.round);
      return this.refuse(code!, reason!);
    }
    if (this.#signed && !hasValidSignature(message, hash))
      return this.refuse('BAD_SIGNATURE', `${message.client} did not sign this message for round ${message.round}`);
    return this.receiveMessage(message, now, bytes, address);
  }

  /** Receives a message whose signature was checked. @param bytes its encoded form, for the journal */
  async receiveMessage(message: RoundMessage, now: number, bytes?: Uint8Array, address?: string): Promise<Receipt> {
    // the next message is read while the journal writes this one
    const { receipt, durable } = await this.#inTurn(async () => {
      const receipt = await this.#receiveInTurn(message, now, bytes, address);
      return { receipt, durable: this.#durable };
    });
    await durable;
    return receipt;
  }

  async #receiveInTurn(message: RoundMessage, now: number, bytes?: Uint8Array, address?: string): Promise<Receipt> {
    const started = performance.now();
    await this.#passTime(now);
    const round = this.#round;
    if (!round) return this.refuse('TOO_LATE', `the federation is finished: ${this.#finished}`);
    const { client, kind } = message;
    if (kind === 'join') {
      if (!this.#mayJoin(client, round))
        return this.refuse('NOT_SAMPLED', `${client} was not chosen for round ${round.config.id}`);
      const problem = this.#admission.problem(client, address);
      if (problem !== undefined) return this.refuse('NOT_ADMITTED', problem);
    }
    const receipt = round.apply({ kind: 'message', at: now, message });
    if (receipt.status === 'refused') this.#count(receipt.code!);
    this.#counters.serverMilliseconds += performance.now() - started;
    if (receipt.status === 'accepted') {
      if (kind === 'join') this.#admission.count(client, address);
      if (bytes) void this.#append('message', now, bytes, kind === 'update' ? message.body : undefined);
    }
    await this.#closeIfComplete(now);
    return receipt;
  }

  /** Refuses a message, and counts it. */
  refuse(code: string, reason: string): Receipt {
    this.#count(code);
    return { status: 'refused', code, reason };
  }

  #count(code: string): void {
    const { refused } = this.#counters;
    refused[code] = (refused[code] ?? 0) + 1;
  }

  /** Counts bytes that were sent to clients, for the report. */
  countSent(bytes: number): void {
    this.#counters.bytesSent += bytes;
  }

  /** Lets time pass: deadlines end phases. Call it at `round.deadline`, or every second. */
  tick(now: number): Promise<void> {
    return this.#inTurn(() => this.#passTime(now));
  }

  /** Ends the federation. The journal keeps its state. */
  async close(): Promise<void> {
    await this.#queue;
    await this.#journal.close();
  }

  /** After an error, e.g. of a full disk, the state may be ahead of the journal: then nothing more is acknowledged. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(() => {
      if (this.#broken) throw this.#broken;
      return work();
    });
    this.#queue = done.catch((error: Error) => {
      this.#broken = error;
    });
    return done;
  }

  async #passTime(now: number): Promise<void> {
    const round = this.#round;
    if (!round || now < round.deadline) return;
    round.apply({ kind: 'time', at: now });
    await this.#append('time', now);
    await this.#closeIfComplete(now);
  }

  async #closeIfComplete(now: number): Promise<void> {
    const round = this.#round;
    if (!round) return;
    if (round.isComplete) await this.#combine(round, now);
    else if (round.phase === 'aborted') await this.#finishRound(round, now);
  }

  async #combine(round: RoundMachine, now: number): Promise<void> {
    const started = performance.now();
    let combined: Combined;
    try {
      combined = await combineRound(round, this.settings);
    } catch (error) {
      if (!(error instanceof FederatedError)) throw error;
      round.apply({ kind: 'abort', at: now, reason: error.message });
      return this.#finishRound(round, now);
    }
    const { update, trainingLoss } = combined;
    round.apply({ kind: 'close', at: now });
    if (isEvaluation(round.config)) {
      this.#counters.serverMilliseconds += performance.now() - started;
      return this.#finishRound(round, now, { weights: this.#state.weights, loss: update[0] });
    }
    const weights = this.#optimizer.step(this.#state.weights, update);
    this.#privacy?.spend(this.#state.begun);
    this.#counters.serverMilliseconds += performance.now() - started;
    await this.#finishRound(round, now, { weights, updateNorm: normOf(update), trainingLoss });
  }

  async #finishRound(
    round: RoundMachine,
    now: number,
    done?: { weights: Float32Array; updateNorm?: number; loss?: number; trainingLoss?: number },
  ): Promise<void> {
    const { contributors } = round;
    const staleness = stalenessOf(contributors);
    const line: ReportLine = {
      round: round.config.id,
      kind: isEvaluation(round.config) ? 'evaluate' : 'train',
      outcome: done ? 'closed' : 'aborted',
      ...(done ? {} : { reason: round.reason }),
      joined: round.joined,
      contributors: contributors.length,
      ...(this.settings.weighting === 'examples' && { examples: sumOfExamples(contributors) }),
      ...(staleness && { staleness }),
      ...(done?.loss !== undefined && { loss: done.loss }),
      ...(done?.trainingLoss !== undefined && { trainingLoss: done.trainingLoss }),
      updateNorm: done?.updateNorm,
      dropouts: round.dropouts,
      ...this.#counters,
      ...(this.#privacy && { epsilon: this.#privacy.epsilon, delta: this.#privacy.delta }),
      milliseconds: now - this.#openedAt,
    };
    this.#counters = newCounters();
    const state = {
      ...this.#state,
      weights: done?.weights ?? this.#state.weights,
      optimizer: this.#optimizer.state,
      report: [...this.#state.report, line],
      ...(round instanceof BufferedRound && { carried: round.carried }),
    };
    // messages and questions that arrive meanwhile find the round that is over; messages are applied to the next one
    this.#durable = this.#durable.then(() => this.#journal.replace(encodeSnapshot(state)));
    await this.#durable;
    this.#state = state;
    if (done) this.#weightsHash = hashOfWeights(done.weights);
    this.#onLine?.(line);
    await this.#openRound(now);
  }

  async #openRound(now: number): Promise<void> {
    const reason = this.#endReason();
    if (reason) {
      this.#finished = reason;
      this.#round = undefined;
      return;
    }
    const number = this.#state.begun + 1;
    this.#state = { ...this.#state, begun: number };
    await this.#append('round', now, new TextEncoder().encode(String(number)));
    this.#start(number, now);
  }

  #start(number: number, now: number): void {
    const kind = isEvaluationDue(this.settings, this.report) ? 'evaluate' : 'train';
    const config = roundConfigOf(this.settings, number, this.weights.length, this.#weightsHash, kind);
    const { carried } = this.#state;
    this.#round = startRound(config, now, carried);
    this.#admission.startRound(config.id, carried?.members.map(({ client }) => client) ?? []);
    this.#openedAt = now;
  }

  #endReason(): string | undefined {
    if (isEvaluationDue(this.settings, this.report)) return undefined;
    if (closedTrainings(this.report) >= this.settings.rounds) return 'all rounds are done';
    return this.#privacy?.problem(this.#state.begun + 1);
  }

  /** Applies an entry of the journal again, without acknowledging anything. */
  #replay(entry: Uint8Array): void {
    const { kind, at, counters, content } = decodeEntry(entry);
    if (kind === 'round') {
      const number = Number(new TextDecoder().decode(content));
      this.#state = { ...this.#state, begun: number };
      this.#start(number, at);
    } else if (kind === 'time') this.#round?.apply({ kind, at });
    else {
      const { status, reason } = this.#round!.apply({ kind, at, message: decodeMessage(content) });
      if (status !== 'accepted')
        throw new FederatedError('BAD_JOURNAL', `a message that was accepted is ${status} now`, { reason });
    }
    this.#counters = counters;
  }

  /** After an error of the journal nothing more is acknowledged. */
  #append(kind: Entry['kind'], at: number, content: Uint8Array = new Uint8Array(), body?: Uint8Array): Promise<void> {
    const head = encodeEntry({ kind, at, counters: this.#counters, content }, body);
    this.#durable = this.#journal.append(head, body, body && hashOfBody(body));
    this.#durable.catch((error: Error) => {
      this.#broken ??= error;
    });
    return this.#durable;
  }

  #mayJoin(client: string, { config }: RoundMachine): boolean {
    return mayJoin(client, config, this.settings, this.#state.samplingKey);
  }
}
