/** The drafts of one generation: copied from the text where it repeats, otherwise of a draft model if there is one. */
import { DraftLength } from './draftLength.ts';
import { Lookup } from './lookup.ts';
import type { ModelDrafts } from './modelDrafts.ts';
import type { StepTimes } from './stepTimes.ts';

/** Share of a token's time that a draft of the model is expected to take before it was measured. */
const EXPECTED_COST = 0.15;
/** Weight of a new time of a draft. */
const LATEST = 0.2;
/** Class of acceptance of a draft model, as of matches of this length. */
const MODEL_MATCH = 5;

export interface DraftOptions {
  /** Shared by all generations of a model. */
  readonly times: StepTimes;
  readonly prompt: readonly number[];
  /** Ids are below. */
  readonly vocabulary: number;
  readonly model?: ModelDrafts;
}

export class Drafts {
  readonly #lookup = new Lookup();
  readonly #text: number[];
  readonly #times: StepTimes;
  readonly #ofLookup: DraftLength;
  readonly #ofModel: DraftLength;
  readonly #model: ModelDrafts | undefined;
  readonly #vocabulary: number;
  /** Where the last drafts came from. */
  #last: { readonly length: DraftLength; readonly match: number } | undefined;
  /** Seconds of a draft of the model. */
  #draftSeconds: number | undefined;

  constructor({ times, prompt, vocabulary, model }: DraftOptions) {
    this.#times = times;
    this.#ofLookup = new DraftLength(times);
    this.#ofModel = new DraftLength(times);
    this.#model = model;
    this.#vocabulary = vocabulary;
    this.#text = [...prompt];
    this.#lookup.append(prompt);
  }

  /** Adds a token of the text. */
  append(id: number): void {
    this.#text.push(id);
    this.#lookup.append([id]);
  }

  /** @param most tokens that there is room for @returns none where drafting would not pay */
  async propose(most: number, signal?: AbortSignal): Promise<readonly number[]> {
    this.#last = undefined;
    const found = this.#lookup.propose(most);
    const copied = found ? this.#ofLookup.choose(found.match, found.ids.length) : 0;
    if (found && copied > 0) {
      this.#last = { length: this.#ofLookup, match: found.match };
      return found.ids.slice(0, copied);
    }
    this.#ofLookup.rest();
    return this.#model && most > 0 ? this.#ofSmallerModel(this.#model, most, signal) : [];
  }

  /** Records a step of the large model. */
  observe(drafted: number, accepted: number, seconds: number): void {
    this.#times.observe(drafted + 1, seconds);
    if (drafted > 0) this.#last?.length.see(this.#last.match, drafted, accepted);
  }

  end(): void {
    this.#model?.end();
  }

  async #ofSmallerModel(model: ModelDrafts, most: number, signal?: AbortSignal): Promise<readonly number[]> {
    const cost =
      this.#draftSeconds === undefined ? EXPECTED_COST : this.#times.relative(this.#draftSeconds, EXPECTED_COST);
    const count = this.#ofModel.choose(MODEL_MATCH, most, cost);
    if (count === 0) {
      this.#ofModel.rest();
      return [];
    }
    const started = model.clock();
    const ids = await model.propose(this.#text, count, this.#vocabulary, signal);
    if (ids.length === 0) return ids;
    const each = (model.clock() - started) / 1000 / ids.length;
    this.#draftSeconds =
      this.#draftSeconds === undefined ? each : this.#draftSeconds + LATEST * (each - this.#draftSeconds);
    this.#last = { length: this.#ofModel, match: MODEL_MATCH };
    return ids;
  }
}
