/** A compiled program. To run a step, it writes its numbers into the control block and starts the threads. */
import { deviceName } from '#leaf/backends/wasm/threads';
import { collectGarbage } from '../../core/collectGarbage.ts';
import { EspalierError, OptionError } from '../../core/errors.ts';
import { cacheSlots, type Graph, type Registers, rowsOf, type Value } from '../../graph/graph.ts';
import { type InputAttributes, inputValues } from '../../graph/ops/input.ts';
import type { CompileOptions, Program, ProgramDescription, Settings, Timing } from '../../graph/program.ts';
import { checkStored, markStored } from '../../graph/segment.ts';
import {
  type CachedStep,
  checkStates,
  checkStep,
  isCached,
  markStates,
  NO_CACHE,
  PAGE_POSITIONS,
  type Page,
  type PageStore,
  type Step,
  type StepResult,
} from '../../graph/step.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { ImmediateResult, idsOf, keptRows } from '../immediateResult.ts';
import type { Arena } from './arena.ts';
import { CONTROL, CONTROL_WORDS, word } from './control.ts';
import type { Emitter, Region } from './emitter.ts';
import type { StepInputs } from './lowering.ts';
import type { KernelModules } from './module.ts';
import { type WasmPage, WasmPages } from './pages.ts';
import type { StepPlans } from './stepPlans.ts';
import { StreamChoice } from './streams.ts';
import type { Team } from './team.ts';
import type { Tensors } from './tensors.ts';

/** Words of an entry of the table of sequences, see kernels/parts/control.ts. */
const ENTRY_WORDS = 8;

/** If a step takes longer than this (milliseconds), the number of threads is not measured. */
const LONG_STEP = 25;
/** Steps of up to this many tokens, which verify drafts, use the threads that are best for one: they wait as often. */
const FEW_TOKENS = 8;
/** Maximum milliseconds of the measurement. */
const CHOOSING = 100;

interface Parts {
  readonly graph: Graph;
  readonly emitter: Emitter;
  readonly arena: Arena;
  readonly team: Team;
  readonly plans: StepPlans;
  /** Layers of the program's pages, as a set of bits. */
  readonly pageLayers: bigint;
  readonly latest: LatestResult;
  readonly inputs: StepInputs;
  /** Addresses of the graph's inputs. */
  readonly given: ReadonlyMap<Value<InputAttributes>, Region>;
  readonly tensors: Tensors;
  /** Elements per position of each layer's keys, with padded heads. */
  readonly layers: readonly number[];
  /** Number of f32 values of a sequence's recurrent states. */
  readonly stateElements: number;
  readonly kernels: KernelModules;
  readonly limits: readonly string[];
  readonly options: Omit<CompileOptions, 'weights'>;
  derive(graph: Graph): Promise<Program>;
  /** Addresses that only this program uses, and the program that has the others, if it is a derived one. */
  readonly owned: readonly number[];
  readonly first?: WasmProgram;
}

/** The last step's result, whose outputs the next step overwrites. Programs over the same weights share it. */
export interface LatestResult {
  result: ImmediateResult | undefined;
}

export class WasmProgram implements Program {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly context: number;
  /** Undefined after dispose, so that the memory can be collected even if the program is still referenced. */
  #loaded: Parts | undefined;
  /** Description without decodeThreads, which is chosen later. */
  readonly #description: Omit<ProgramDescription, 'backend'>;
  /** Views for the numbers of a step. Created once, because creating a view takes as long as an op of a small model. */
  #step: StepMemory | undefined;
  #table: Uint32Array = new Uint32Array();
  readonly #views = new Map<Value, Float32Array>();
  /** Threads for a step of few tokens; longer steps use all threads. */
  #decodeThreads: number;
  readonly #streams: StreamChoice;

  constructor(parts: Parts) {
    this.#loaded = parts;
    const { kernels, team, limits } = parts;
    this.#description = { settings: { variant: kernels.variant, threads: team.threads }, limits };
    this.graph = parts.graph;
    this.maxTokens = parts.options.maxTokens;
    this.maxRows = parts.options.maxRows;
    this.context = parts.options.context;
    this.#decodeThreads = parts.first ? parts.first.#decodeThreads : parts.team.threads;
    this.#step = stepMemory(parts);
    const { bytes } = parts.graph.cost({ T: 1, P: 0, S: 1, R: 1 });
    this.#streams = new StreamChoice(bytes, parts.options.settings?.streams as number | undefined);
  }

  get description(): ProgramDescription {
    const { settings, limits: known } = this.#description;
    const lost = this.#loaded?.team.lost;
    const limits = lost === undefined ? known : [...known, lost];
    return { backend: 'wasm', settings: { ...settings, decodeThreads: this.#decodeThreads }, limits };
  }

  /** Only the variant matters: threads do not change any bit. */
  get exactSettings(): Settings {
    return { variant: this.#parts.kernels.variant };
  }

  get memoryBytes(): number {
    return this.#loaded?.arena.usedBytes ?? 0;
  }

  openPages(kv: BlockFormat): PageStore {
    const narrow = cacheSlots(this.graph.nodes).find(({ headSize }) => headSize % kv.blockSize !== 0)?.headSize;
    if (narrow !== undefined)
      throw new OptionError(
        'kv',
        kv.name,
        `F32 or F16, because heads of ${narrow} are not a multiple of ${kv.blockSize}`,
      );
    const { arena, layers, stateElements } = this.#parts;
    return new WasmPages(arena, layers, stateElements, kv);
  }

  run(step: Step): StepResult {
    const { rows, choose, from } = step;
    const { arena, inputs, given, plans, latest, team, kernels, stateElements, pageLayers } = this.#parts;
    const { registers, outputs, positions, tokens: wanted } = checkStep(this, step);
    const pages = isCached(step) ? this.#pagesOf(step) : undefined;
    if (isCached(step) && stateElements > 0) checkStates(step);
    const { list, count, segment, begin } = plans.of(step, outputs, choose?.output);
    if (pages && segment.batchOnly) throw new OptionError('sequences', 'given', NO_CACHE);
    if (isCached(step)) checkStored(step, segment);
    const numbers = segment.inputs.map((node) => inputValues(node, step.inputs, registers));
    const tokens = idsOf(wanted);
    const begun = from && keptRows(from.cut, from.rows, segment.from!.shape[1]);
    latest.result?.keep();
    const table = isCached(step) ? this.#writeSequences(step) : 0;
    const { buffer } = arena.memory;
    for (let i = 0; i < numbers.length; i++) {
      const values = numbers[i];
      const { address } = given.get(segment.inputs[i])!;
      if (values instanceof Int32Array) new Int32Array(buffer, address, values.length).set(values);
      else new Float32Array(buffer, address, values.length).set(values);
    }
    const memory = this.#step!;
    write(memory.tokens, tokens);
    write(memory.positions, positions);
    write(memory.selected, rows);
    if (begun) new Float32Array(buffer, begin, begun.length).set(begun);
    if (count > 0) {
      const { control } = memory;
      control[word.program] = list.address;
      control[word.commands] = count;
      control[word.T] = tokens.length;
      control[word.positions] = inputs.positions.address;
      control[word.R] = rows.length;
      control[word.trace] = list.trace;
      control[word.sequences] = table;
      control[word.count] = isCached(step) ? step.sequences.length : 0;
      control[word.kv] = pages?.kind ?? 0;
      control[word.wide] = kernels.wide ? 1 : 0;
      control[word.S] = registers.S;
      control[word.pages] = inputs.pages.address;
      const threads = step.threads ?? (tokens.length <= FEW_TOKENS ? this.#decodeThreads : team.threads);
      const streams = this.#streams;
      control[word.oneStream] = streams.oneStream ? 1 : 0;
      const isTrial = !streams.isChosen && tokens.length === 1 && step.threads === undefined;
      const began = isTrial ? performance.now() : 0;
      team.step(Math.min(threads, team.threads));
      if (isTrial) streams.record(performance.now() - began);
    }
    if (isCached(step)) {
      markStored(step, segment, pageLayers);
      if (stateElements > 0) markStates(step);
    }
    const cut = segment.until && { name: step.until!, rows: this.#view(segment.until, registers) };
    const read = (name: string) => this.#view(this.graph.outputs.get(name)!, registers);
    latest.result = new ImmediateResult(outputs, read, choose, cut);
    return latest.result;
  }

  /** Returns a value in memory, valid until the next step. */
  #view(value: Value, registers: Registers): Float32Array {
    const length = rowsOf(value.shape, registers) * value.shape[1];
    let view = this.#views.get(value);
    if (view?.length !== length) {
      const { arena, emitter } = this.#parts;
      view = new Float32Array(arena.memory.buffer, emitter.region(value).address, length);
      this.#views.set(value, view);
    }
    return view;
  }

  /** Returns the store of a step's pages. @throws {OptionError} for pages of another program, or of two stores */
  #pagesOf({ sequences }: CachedStep): WasmPages {
    const store = sequences[0].pages[0].store;
    if (!(store instanceof WasmPages && store.arena === this.#parts.arena))
      throw new OptionError('page', 'of another program', 'a page of this program');
    for (const { pages } of sequences) {
      for (const page of pages) {
        if (page.store !== store) throw new OptionError('page', 'of another store', 'pages of one store in a step');
        if ((page as WasmPage).isReleased) throw new OptionError('page', 'released', 'a page that is in use');
      }
    }
    return store;
  }

  /** Writes the table of sequences with the addresses of their pages, and the page of each row. @returns its address */
  #writeSequences({ sequences }: CachedStep): number {
    let all = 0;
    const hasStates = this.#parts.stateElements > 0;
    for (const { pages } of sequences) all += hasStates ? 2 * pages.length : pages.length;
    const words = this.#tableOf(sequences.length * ENTRY_WORDS + all);
    const table = words.byteOffset;
    const rowPages = this.#step!.pages;
    let row = 0;
    let at = sequences.length * ENTRY_WORDS;
    for (const [i, { tokens, position, pages }] of sequences.entries()) {
      words[i * ENTRY_WORDS] = row;
      words[i * ENTRY_WORDS + 1] = tokens.length;
      words[i * ENTRY_WORDS + 2] = position;
      words[i * ENTRY_WORDS + 3] = table + at * 4;
      for (const page of pages) words[at++] = addressOf(page);
      words[i * ENTRY_WORDS + 4] = hasStates ? table + at * 4 : 0;
      if (hasStates) for (const page of pages) words[at++] = (page as WasmPage).state?.address ?? 0;
      for (let t = 0; t < tokens.length; t++)
        rowPages[row++] = addressOf(pages[Math.floor((position + t) / PAGE_POSITIONS)]);
    }
    return table;
  }

  /** Memory for the table. It grows if a step needs more. */
  #tableOf(words: number): Uint32Array {
    if (words > this.#table.length) {
      const { arena } = this.#parts;
      if (this.#table.length > 0) arena.release(this.#table.byteOffset);
      const address = arena.allocate(words * 8, 'sequences of a step');
      this.#table = new Uint32Array(arena.memory.buffer, address, 2 * words);
    }
    return this.#table;
  }

  async readTensor(name: string): Promise<Float32Array> {
    return this.#parts.tensors.read(name);
  }

  async writeTensor(name: string, values: Float32Array): Promise<void> {
    const { latest, tensors } = this.#parts;
    latest.result?.keep();
    tensors.write(name, values);
  }

  derive(graph: Graph): Promise<Program> {
    return this.#parts.derive(graph);
  }

  /**
   * Measures how many threads are best for one token. A small model finishes before other threads wake up, and on
   * busy or shared cores fewer threads are faster. Takes at most 100 ms, and the result is stored. Steps that are so long that
   * waking does not matter use all threads.
   */
  async chooseThreads(kv: BlockFormat): Promise<void> {
    const { team, options, kernels, emitter } = this.#parts;
    const { flops, bytes } = this.graph.cost({ T: 1, P: 0, S: 1, R: 1 });
    const model = `${emitter.commands.length} commands, ${flops} flops and ${bytes} bytes a token`;
    // an encoder has no steps of one token
    if (this.graph.live().some(({ op, attributes }) => op.batchOnly?.(attributes))) return;
    const name = `${deviceName()}: threads of ${team.threads} with ${kernels.variant} for ${model}`;
    const kept = Number(await options.notes?.read(name));
    if (Number.isInteger(kept) && kept >= 1 && kept <= team.threads) {
      this.#decodeThreads = kept;
      return;
    }
    const pages = this.openPages(kv);
    const page = pages.allocate();
    if (pages.stateBytes > 0) pages.addState(page);
    const sequences = [{ tokens: [0], position: 0, pages: [page] }];
    const time = (threads: number, steps: number): number => {
      const started = performance.now();
      for (let i = 0; i < steps; i++) this.run({ sequences, rows: [0], threads }).release();
      return (performance.now() - started) / steps;
    };
    const candidates = [team.threads, 1, 2, 4].filter((n, i, all) => n <= team.threads && all.indexOf(n) === i);
    const best = new Map(candidates.map((threads) => [threads, Number.POSITIVE_INFINITY]));
    let chosen = team.threads;
    if (time(team.threads, 1) < LONG_STEP) {
      const end = performance.now() + CHOOSING;
      while (performance.now() < end) {
        for (const threads of candidates) best.set(threads, Math.min(best.get(threads)!, time(threads, 4)));
      }
      chosen = candidates.reduce((a, b) => (best.get(b)! < best.get(a)! ? b : a));
    }
    this.#decodeThreads = chosen;
    this.#parts.plans.clearTimes();
    pages.release(page);
    await options.notes?.write(name, String(chosen));
  }

  timings(): Timing[] {
    return this.#loaded ? [...this.#loaded.plans.times()] : [];
  }

  dispose(): void {
    if (!this.#loaded) return;
    const { team, arena, plans, owned, first, latest } = this.#loaded;
    this.#loaded = undefined;
    this.#step = undefined;
    this.#views.clear();
    if (first) {
      if (!first.isDisposed) {
        // its outputs lie in memory that is released
        latest.result?.keep();
        plans.release();
        for (const address of owned) arena.release(address);
        if (this.#table.length > 0) arena.release(this.#table.byteOffset);
      }
    } else {
      // workers also reference the memory until they end
      void team.stop().then(collectGarbage);
      arena.dispose();
      latest.result = undefined;
    }
    this.#table = new Uint32Array();
  }

  get isDisposed(): boolean {
    return this.#loaded === undefined;
  }

  /** @throws {EspalierError} DISPOSED */
  get #parts(): Parts {
    if (!this.#loaded) throw new EspalierError('DISPOSED', 'the model was disposed of and cannot run');
    return this.#loaded;
  }
}

interface StepMemory {
  readonly control: Int32Array;
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  /** Addresses of the pages in which the tokens' keys and values go. */
  readonly pages: Uint32Array;
  readonly selected: Int32Array;
}

/** Views stay valid when the memory grows, because it is shared. */
function stepMemory({ arena, inputs, options: { maxTokens, maxRows } }: Parts): StepMemory {
  const { buffer } = arena.memory;
  return {
    control: new Int32Array(buffer, CONTROL, CONTROL_WORDS),
    tokens: new Int32Array(buffer, inputs.tokens.address, maxTokens),
    positions: new Int32Array(buffer, inputs.positions.address, maxTokens),
    pages: new Uint32Array(buffer, inputs.pages.address, maxTokens),
    selected: new Int32Array(buffer, inputs.selected.address, maxRows),
  };
}

/** Faster than `set` for the few numbers of a small step. */
function write(to: Int32Array, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) to[i] = values[i];
}

/** The store has checked before that the page is its own. */
function addressOf(page: Page): number {
  return (page as WasmPage).address;
}
