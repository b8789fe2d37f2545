/** Drafts of a smaller model with the same tokens: it continues the text greedily for a few tokens. */
import type { Engine } from '../engine.ts';
import type { Sequence } from '../sequence.ts';

const greedily = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, recent: [], uniform: 0 } as const;

export class ModelDrafts {
  readonly #engine: Engine;
  #sequence: Sequence | undefined;
  #isOver = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * @param text all tokens so far @param vocabulary ids of the large model are below
   * @returns none where the draft model has no room for the text; the signal ends it
   */
  async propose(text: readonly number[], count: number, vocabulary: number, signal?: AbortSignal): Promise<number[]> {
    const { context } = this.#engine;
    if (this.#isOver || text.length + count > context) return [];
    const sequence = await this.#begin(text, signal);
    const drafts: number[] = [];
    // what it drafted before and the large model did not choose is forgotten
    let known = 0;
    while (known < sequence.tokens.length && sequence.tokens[known] === text[known]) known++;
    sequence.rewind(Math.min(known, text.length - 1));
    let next = text.slice(sequence.tokens.length);
    while (drafts.length < count) {
      const id = await sequence.choose(next, greedily, { signal });
      if (id >= vocabulary) break;
      drafts.push(id);
      next = [id];
    }
    return drafts;
  }

  /** Milliseconds, without the time for which steps were held back. */
  clock(): number {
    return this.#engine.scheduler.clock();
  }

  /** Releases the memory of this text. */
  end(): void {
    this.#isOver = true;
    this.#sequence?.free();
    this.#sequence = undefined;
  }

  async #begin(text: readonly number[], signal?: AbortSignal): Promise<Sequence> {
    if (this.#sequence) return this.#sequence;
    const sequence = this.#engine.sequence();
    this.#sequence = sequence;
    await sequence.begin(text, this.#engine.context, signal);
    return sequence;
  }
}
