/** Finds the commands that a step runs, by what it is asked for. Each list is made once. */
import type { Graph, Value } from '../../graph/graph.ts';
import { type Segment, segmentOf } from '../../graph/segment.ts';
import { isCached, type Step } from '../../graph/step.ts';
import { type CommandList, clearTimes, type ListMemory, neededCommands, storeCommands } from './commandList.ts';
import type { Emitter } from './emitter.ts';

/** The commands of a step. */
export interface StepPlan {
  readonly list: CommandList;
  /** Number of commands of the list to run. */
  readonly count: number;
  readonly segment: Segment;
  /** Address of the rows [T, D] with which the step begins; 0: it begins with tokens. */
  readonly begin: number;
}

export interface PlannedProgram {
  readonly graph: Graph;
  readonly emitter: Emitter;
  readonly memory: ListMemory;
  /** Index of the last command of each output. */
  readonly ends: ReadonlyMap<string, number>;
  /** Layers of the program's pages, as a set of bits. */
  readonly layers: bigint;
}

export class StepPlans {
  readonly #program: PlannedProgram;
  readonly #all: CommandList;
  readonly #lists: CommandList[];
  readonly #plans = new Map<string, StepPlan>();
  readonly #hasEffects: boolean;
  /** Command that stores the last layer. */
  readonly #stored: number;
  #begin = 0;

  constructor(program: PlannedProgram) {
    const { graph, emitter, ends, memory } = program;
    this.#program = program;
    this.#stored = emitter.commands.findLastIndex(({ stores }) => stores !== undefined);
    this.#all = storeCommands(emitter.commands, [...ends.values(), this.#stored], memory);
    this.#lists = [this.#all];
    this.#hasEffects = graph.nodes.some(({ op }) => op.hasEffects);
  }

  /** @param chosen output from which the step chooses tokens @throws {OptionError} */
  of(step: Step, outputs: readonly string[], chosen = ''): StepPlan {
    const { from, until } = step;
    let key = outputs.length === 0 ? chosen : `${outputs.join('\n')}\n${chosen}`;
    if (!isCached(step)) key = `batch ${key}`;
    if (from || until !== undefined) key = `${from?.cut} ${until} ${key}`;
    let plan = this.#plans.get(key);
    if (!plan) {
      const names = chosen === '' || outputs.includes(chosen) ? outputs : [...outputs, chosen];
      const cached = isCached(step);
      const segment = segmentOf(
        this.#program.graph,
        { outputs: names, from: from?.cut, until },
        cached,
        this.#program.layers,
      );
      plan = this.#hasEffects ? this.#firstCommands(names, segment, cached) : this.#chosenCommands(names, segment);
      this.#plans.set(key, plan);
    }
    return plan;
  }

  /** Total seconds of each command, with its label and kernel. */
  *times(): Generator<{ readonly label: string; readonly kernel: string; readonly seconds: number }> {
    const { emitter, memory } = this.#program;
    const total = new Map(emitter.commands.map((command) => [command, 0]));
    for (const { trace, commands } of this.#lists) {
      if (trace === 0) return;
      const seconds = new Float64Array(memory.arena.memory.buffer, trace, commands.length);
      for (const [i, command] of commands.entries()) total.set(command, (total.get(command) ?? 0) + seconds[i]);
    }
    for (const [{ label, kernel }, seconds] of total) yield { label, kernel, seconds };
  }

  clearTimes(): void {
    for (const list of this.#lists) clearTimes(list, this.#program.memory.arena);
  }

  /** Releases the memory of the lists. */
  release(): void {
    const { arena } = this.#program.memory;
    for (const { address, trace } of this.#lists) for (const each of [address, trace]) arena.release(each);
    arena.release(this.#begin);
  }

  /** All commands up to the last one that is needed: effects must not be left out. */
  #firstCommands(names: readonly string[], segment: Segment, cached: boolean): StepPlan {
    const last = Math.max(-1, ...names.map((name) => this.#program.ends.get(name)!), cached ? this.#stored : -1);
    return { list: this.#all, count: last + 1, segment, begin: 0 };
  }

  #chosenCommands(names: readonly string[], segment: Segment): StepPlan {
    const { graph, emitter } = this.#program;
    const regions = [...names.map((name) => graph.outputs.get(name)!), ...(segment.until ? [segment.until] : [])].map(
      (value) => emitter.region(value),
    );
    const stores = (layer: number) => ((segment.layers >> BigInt(layer)) & 1n) === 1n;
    const known = segment.from && this.#known(segment.from);
    const commands = neededCommands(emitter.commands, regions, stores, known);
    const begin = known ? this.#begin : 0;
    const isBeginning = commands.every((command, i) => command === emitter.commands[i]);
    if (isBeginning && this.#isEnd(commands.length - 1))
      return { list: this.#all, count: commands.length, segment, begin };
    const list = storeCommands(commands, [], this.#program.memory);
    this.#lists.push(list);
    return { list, count: commands.length, segment, begin };
  }

  /** True if a step may end after a command of the whole list, which has a barrier there. */
  #isEnd(index: number): boolean {
    return index < 0 || index === this.#stored || [...this.#program.ends.values()].includes(index);
  }

  /** The region of a cut, and the command that copies rows there that are known. */
  #known(cut: Value) {
    const { emitter, memory } = this.#program;
    const width = cut.shape[1];
    const most = Math.max(...[...this.#program.graph.cuts.values()].map((value) => value.shape[1]));
    if (this.#begin === 0) this.#begin = memory.arena.allocate(emitter.maxTokens * most * 4 + 64, 'rows of a cut');
    const from = emitter.fixed(0, `${cut.label} kept`);
    from.address = this.#begin;
    const region = emitter.region(cut);
    const copy = {
      kernel: 'columns',
      label: `${cut.label}.kept`,
      values: [0, from, width, region, width, 0, 1],
      reads: [from],
      writes: [region],
      split: undefined,
      stores: undefined,
    };
    return { region, copy };
  }
}
