/**
 * A client's part of a secure round: its secrets, and its answer to each instruction of the server. It trusts the server only with
 * delivery. It checks the roster, masks one update, confirms one set of members, and sends shares only if a quorum confirmed that set.
 */
import { randomBytes } from '@noble/hashes/utils.js';
import type { FederatedErrorCode } from '../../core/errorCodes.ts';
import { canonicalJson } from '../../formats/packages/canonicalJson.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import type { Identity } from '../client/identity.ts';
import { bytesToHex, hexToBytes, toBase64 } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';
import {
  hasValidSignature,
  type MessageOf,
  type RoundMessage,
  signMessage,
  type UnsignedMessage,
} from '../round/messages.ts';
import type { Instruction } from '../round/protocol.ts';
import { configHash, type RoundConfig } from '../round/roundConfig.ts';
import { agreementKeys, pairSeed } from './agreement.ts';
import { addMasks, type Mask } from './mask.ts';
import { checkRoster, type Roster, sumHash } from './roster.ts';
import { makeShares, type OpenedShares, openShares } from './shares.ts';

export type InstructionOf<P extends Instruction['phase']> = Extract<Instruction, { phase: P }>;

/** State of a member, JSON-safe. It contains secrets. */
export interface MemberState {
  readonly seed: string;
  readonly maskKey: string;
  readonly sealKey: string;
  readonly join: MessageOf<'join'>;
  readonly roster?: readonly MessageOf<'join'>[];
  readonly shares?: MessageOf<'shares'>;
  /** Members whose masks are in the update, and their shares. */
  readonly senders?: readonly string[];
  readonly sealed?: Readonly<Record<string, string>>;
  /** SHA-256 of the masked update. */
  readonly update?: string;
  /** Hash of the members that it confirmed. */
  readonly confirmed?: string;
}

export class SecureMember {
  readonly #config: RoundConfig;
  readonly #identity: Identity;
  readonly #trusted?: ReadonlySet<string>;
  #state: MemberState;
  #roster: Roster | undefined;

  private constructor(config: RoundConfig, identity: Identity, state: MemberState, trusted?: ReadonlySet<string>) {
    this.#config = config;
    this.#identity = identity;
    this.#state = state;
    this.#trusted = trusted;
    if (state.roster) this.#roster = checkRoster(state.roster, config, state.join, trusted);
  }

  /** @param examples number of examples that the update counts @param trusted see `checkRoster` */
  static join(config: RoundConfig, identity: Identity, examples: number, trusted?: ReadonlySet<string>): SecureMember {
    const mask = agreementKeys();
    const seal = agreementKeys();
    const message: UnsignedMessage = {
      kind: 'join',
      round: config.id,
      client: identity.name,
      examples,
      keys: { seal: seal.public, mask: mask.public },
    };
    const join = signMessage(message, configHash(config), identity.secretKey) as MessageOf<'join'>;
    const secrets = { seed: randomBytes(32), maskKey: mask.secret, sealKey: seal.secret };
    const state = {
      seed: bytesToHex(secrets.seed),
      maskKey: bytesToHex(secrets.maskKey),
      sealKey: bytesToHex(secrets.sealKey),
      join,
    };
    return new SecureMember(config, identity, state, trusted);
  }

  /** Continues after a restart. */
  static restore(config: RoundConfig, identity: Identity, state: MemberState, trusted?: ReadonlySet<string>) {
    return new SecureMember(config, identity, state, trusted);
  }

  /** Store it before sending a message, so that a restart does not answer the same instruction differently. */
  get state(): MemberState {
    return this.#state;
  }

  get joinMessage(): MessageOf<'join'> {
    return this.#state.join;
  }

  /** Answers 'keys'. @throws {FederatedError} BAD_ROSTER */
  async shares({ roster: joins }: InstructionOf<'keys'>): Promise<MessageOf<'shares'>> {
    const { shares, join } = this.#state;
    const roster = checkRoster(joins, this.#config, join, this.#trusted);
    if (this.#roster && this.#roster.hash !== roster.hash) throw this.#bad('BAD_ROSTER', 'sent two different rosters');
    if (shares) return shares;
    const { seed, maskKey, sealKey } = this.#secrets();
    const made = await makeShares({ client: this.#identity.name, seed, maskKey, sealKey }, roster);
    const message = this.#signed({ kind: 'shares', ...this.#head(), ...made }) as MessageOf<'shares'>;
    this.#roster = roster;
    this.#state = { ...this.#state, roster: joins, shares: message };
    return message;
  }

  /**
   * Answers 'update'. It may be called again with the same instruction, but only with the same integers.
   * @param integers the update [parameters]; overwritten with the masked update
   * @throws {FederatedError} if the server names strangers, or too few members; BAD_SHARES if a member's shares are not those that
   * it declared, which `data.client` names
   */
  async update(
    { senders = [], sealed = {}, commitments = {} }: InstructionOf<'update'>,
    integers: Int32Array,
  ): Promise<MessageOf<'update'>> {
    const roster = this.#requireRoster();
    const { name } = this.#identity;
    const set = new Set(senders);
    if (this.#state.senders && canonicalJson(this.#state.senders) !== canonicalJson(senders))
      throw this.#bad('UNMASK_REFUSED', 'named two different sets of members for the masks of one update');
    if (!set.has(name) || set.size !== senders.length || senders.some((sender) => !roster.members.has(sender)))
      throw this.#bad('BAD_ROSTER', 'named members that are not on the roster, or left this client out');
    if (set.size < this.#config.minimumCohort)
      throw this.#bad('BAD_ROSTER', `named ${set.size} members, expected at least ${this.#config.minimumCohort}`);
    // with fewer, all of them may be declared dropped, and their keys would remove this client's masks
    const masked = roster.neighbours.get(name)!.filter((other) => set.has(other)).length;
    if (masked < roster.threshold)
      throw this.#bad('BAD_ROSTER', `named ${masked} neighbours of this client, expected at least ${roster.threshold}`);
    const { seed, maskKey, sealKey } = this.#secrets();
    // masks are only added if the shares that remove them can be opened, and will be accepted
    for (const other of roster.neighbours.get(name)!) {
      if (!set.has(other)) continue;
      if (sealed[other] === undefined) throw this.#bad('BAD_ROSTER', `did not deliver the shares of ${other}`);
      const { seed: seedShare, key } = this.#openShares(sealKey, roster, other, sealed[other]);
      const [seedHash, keyHash] = commitments[other] ?? [];
      if (hashOf(seedShare) !== seedHash || hashOf(key) !== keyHash)
        throw this.#badShares(other, 'are not those that it declared');
    }
    const masks: Mask[] = [{ seed, sign: 1 }];
    for (const other of roster.neighbours.get(name)!) {
      if (!set.has(other)) continue;
      const shared = pairSeed(maskKey, roster.members.get(other)!.keys.mask, roster.hash, name, other);
      masks.push({ seed: shared, sign: name < other ? 1 : -1 });
    }
    await addMasks(integers, masks);
    const body = new Uint8Array(integers.buffer, integers.byteOffset, integers.byteLength);
    const hash = hashOf(body);
    // the difference of two updates under one mask would show both
    if ((this.#state.update ?? hash) !== hash)
      throw new FederatedError('CONFLICT', `round ${this.#config.id}: this client has masked another update before`);
    this.#state = { ...this.#state, senders, sealed, update: hash };
    return this.#signed({ kind: 'update', ...this.#head(), body }) as MessageOf<'update'>;
  }

  /**
   * Answers 'confirm', for one set of members only.
   * @throws {FederatedError} UNMASK_REFUSED if the members are too few, or differ from those whose masks are in the update
   */
  confirm({ survivors, dropped }: Omit<InstructionOf<'confirm'>, 'phase'>): MessageOf<'confirm'> {
    const { minimumCohort, id } = this.#config;
    const { senders, confirmed } = this.#state;
    const refuse = (problem: string) => this.#bad('UNMASK_REFUSED', problem);
    if (!senders) throw refuse('asked for a confirmation before this client sent an update');
    const sum = sumHash(this.#requireRoster(), survivors, dropped);
    if (confirmed !== undefined && confirmed !== sum) throw refuse(`asked for two unmaskings of round ${id}`);
    const named = [...survivors, ...dropped].sort();
    if (canonicalJson(named) !== canonicalJson([...senders].sort()))
      throw refuse('asked for shares of sets that overlap, or that are not the members of the sum');
    if (!survivors.includes(this.#identity.name))
      throw refuse('says that this client dropped out, although it did not');
    if (survivors.length < minimumCohort)
      throw refuse(`asked to unmask the sum of ${survivors.length} updates, expected at least ${minimumCohort}`);
    this.#state = { ...this.#state, confirmed: sum };
    return this.#signed({ kind: 'confirm', ...this.#head(), sum }) as MessageOf<'confirm'>;
  }

  /**
   * Answers 'unmask'.
   * @throws {FederatedError} UNMASK_REFUSED unless a quorum of the members confirmed the same sum. Each member confirms one, so no
   * two sums can be unmasked.
   */
  unmask({ survivors, dropped, confirmations }: InstructionOf<'unmask'>): MessageOf<'unmask'> {
    const { sum } = this.confirm({ survivors, dropped });
    const roster = this.#requireRoster();
    const { sealed = {} } = this.#state;
    const alive = new Set(survivors);
    const gone = new Set(dropped);
    const hash = configHash(this.#config);
    for (const [client, signature] of Object.entries(confirmations))
      if (
        !alive.has(client) ||
        !hasValidSignature({ kind: 'confirm', round: this.#config.id, client, sum, signature }, hash)
      )
        throw this.#bad('UNMASK_REFUSED', `sent a confirmation of ${client} that is not for these members`);
    const confirmed = Object.keys(confirmations).length;
    if (confirmed < roster.quorum)
      throw this.#bad(
        'UNMASK_REFUSED',
        `sent ${confirmed} confirmations of the sum, expected at least ${roster.quorum}`,
      );
    const { sealKey } = this.#secrets();
    const seeds: Record<string, string> = {};
    const keys: Record<string, string> = {};
    for (const other of roster.neighbours.get(this.#identity.name)!) {
      // the shares of a neighbour that is in neither set were not checked, and nobody confirmed that it dropped out
      if (!alive.has(other) && !gone.has(other)) continue;
      const opened = this.#openShares(sealKey, roster, other, sealed[other]);
      if (alive.has(other)) seeds[other] = toBase64(opened.seed);
      else keys[other] = toBase64(opened.key);
    }
    return this.#signed({ kind: 'unmask', ...this.#head(), seeds, keys }) as MessageOf<'unmask'>;
  }

  #openShares(sealKey: Uint8Array, roster: Roster, from: string, text: string): OpenedShares {
    try {
      return openShares(sealKey, roster, from, this.#identity.name, text);
    } catch (cause) {
      throw this.#badShares(from, 'cannot be opened', { cause });
    }
  }

  #badShares(client: string, problem: string, options?: ErrorOptions): FederatedError {
    const message = `round ${this.#config.id}: the shares of ${client} ${problem}`;
    return new FederatedError('BAD_SHARES', message, { client }, options);
  }

  #head() {
    return { round: this.#config.id, client: this.#identity.name };
  }

  #signed(message: UnsignedMessage): RoundMessage {
    return signMessage(message, configHash(this.#config), this.#identity.secretKey);
  }

  #secrets() {
    const { seed, maskKey, sealKey } = this.#state;
    return { seed: hexToBytes(seed), maskKey: hexToBytes(maskKey), sealKey: hexToBytes(sealKey) };
  }

  #requireRoster(): Roster {
    if (!this.#roster) throw this.#bad('BAD_ROSTER', 'asked for an update before it sent a roster');
    return this.#roster;
  }

  #bad(code: FederatedErrorCode, problem: string): FederatedError {
    return new FederatedError(code, `round ${this.#config.id}: the server ${problem}`, { round: this.#config.id });
  }
}
