/**
 * A program that waits, as a device does, and computes nothing but the next token: a number of all tokens that it finds in the
 * pages. It notices a page that is released or written by somebody else while a step runs.
 */
import { nextTask } from '#leaf/runtime/nextTask';
import type { Graph } from '../../src/graph/graph.ts';
import type { Program } from '../../src/graph/program.ts';
import {
  type CachedStep,
  checkStates,
  checkStep,
  markStates,
  PAGE_POSITIONS,
  type Page,
  type PageState,
  type PageStore,
  type Step,
  type StepResult,
} from '../../src/graph/step.ts';

const VOCABULARY = 24;
const graph = {
  outputs: new Map([['logits', { shape: ['R', VOCABULARY] }]]),
  nodes: [],
  live: () => [],
} as unknown as Graph;

/** The token after some others. */
export function tokenAfter(tokens: readonly number[]): number {
  return tokens.reduce((sum, token, i) => (sum * 31 + token * (i + 7)) % 100_003, 1) % VOCABULARY;
}

class SlowPage implements Page {
  readonly store: SlowPages;
  /** Token at each position. */
  readonly cells: number[] = [];
  state?: PageState;

  constructor(store: SlowPages) {
    this.store = store;
  }
}

export class SlowPages implements PageStore {
  readonly pageBytes = 100;
  readonly stateBytes: number;
  readonly live = new Set<Page>();

  constructor(stateBytes: number) {
    this.stateBytes = stateBytes;
  }

  allocate(): Page {
    const page = new SlowPage(this);
    this.live.add(page);
    return page;
  }

  async copy(from: Page, to: Page): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
      this.check([from, to]);
      await nextTask();
    }
    this.check([from, to]);
    (to as SlowPage).cells.push(...(from as SlowPage).cells);
    (to as SlowPage).state = from.state && { ...from.state };
  }

  addState(page: Page): void {
    this.check([page]);
    (page as SlowPage).state ??= { position: 0 };
  }

  dropState(page: Page): void {
    this.check([page]);
    (page as SlowPage).state = undefined;
  }

  release(page: Page): void {
    this.check([page]);
    this.live.delete(page);
  }

  /** @throws if a page was released */
  check(pages: readonly Page[]): void {
    for (const page of pages) if (!this.live.has(page)) throw new Error('a page was released while it was in use');
  }
}

interface SlowOptions {
  readonly context: number;
  readonly maxTokens: number;
  readonly stateBytes?: number;
}

export class SlowProgram implements Program {
  readonly graph = graph;
  readonly maxTokens: number;
  readonly maxRows = 24;
  readonly context: number;
  readonly description = { backend: 'slow', settings: {}, limits: [] };
  readonly exactSettings = {};
  readonly memoryBytes = 0;
  readonly stateBytes: number;
  /** Number of steps that run. */
  running = 0;
  /** Called in the middle of every step. */
  onStep: ((step: CachedStep) => void) | undefined;
  pages!: SlowPages;

  constructor({ context, maxTokens, stateBytes = 0 }: SlowOptions) {
    this.context = context;
    this.maxTokens = maxTokens;
    this.stateBytes = stateBytes;
  }

  openPages(): PageStore {
    this.pages = new SlowPages(this.stateBytes);
    return this.pages;
  }

  run(step: Step): StepResult {
    checkStep(this, step);
    const cached = step as CachedStep;
    if (this.stateBytes > 0) checkStates(cached);
    const choices = this.#compute(cached);
    choices.catch(() => undefined);
    return {
      finished: async () => void (await choices),
      output: () => Promise.reject(new Error('this program has no outputs')),
      choices: () => choices,
      release: () => undefined,
    };
  }

  async #compute(step: CachedStep): Promise<Int32Array> {
    this.running++;
    try {
      if (this.running > 1) throw new Error('two steps at a time');
      const used = step.sequences.flatMap(({ pages }) => pages);
      for (let turn = 0; turn < 2; turn++) {
        this.pages.check(used);
        await nextTask();
        if (turn === 0) this.onStep?.(step);
      }
      this.pages.check(used);
      const next = step.sequences.flatMap((part) => this.#append(part));
      if (this.stateBytes > 0) markStates(step);
      return Int32Array.from(step.rows, (row) => next[row]);
    } finally {
      this.running--;
    }
  }

  /** Writes the tokens of a part. @returns the token after each of them */
  #append({ tokens, position, pages }: CachedStep['sequences'][number]): number[] {
    const cells = (pages as readonly SlowPage[]).map((page) => page.cells);
    const past = Array.from({ length: position }, (_, i) => cells[Math.floor(i / PAGE_POSITIONS)][i % PAGE_POSITIONS]);
    return Array.from(tokens as ArrayLike<number>, (token) => {
      cells[Math.floor(past.length / PAGE_POSITIONS)][past.length % PAGE_POSITIONS] = token;
      past.push(token);
      return tokenAfter(past);
    });
  }

  readTensor(): Promise<Float32Array> {
    return Promise.reject(new Error('no tensors'));
  }

  writeTensor(): Promise<void> {
    return Promise.reject(new Error('no tensors'));
  }

  derive(): Promise<Program> {
    return Promise.reject(new Error('no other graphs'));
  }

  dispose(): void {}
}
