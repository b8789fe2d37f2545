/** Runs programs with tables that are not in memory: reads the rows of a step's tokens before the step is submitted. */
import { OptionError } from '../core/errors.ts';
import type { Graph, Value, WeightAttributes } from '../graph/graph.ts';
import type { InputValues } from '../graph/ops/input.ts';
import { storedTables } from '../graph/ops/storedRows.ts';
import type { Program, ProgramDescription, Settings, Timing, WeightStore } from '../graph/program.ts';
import { type ChosenToken, checkStep, isCached, type PageStore, type Step, type StepResult } from '../graph/step.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';

type Table = Value<WeightAttributes>;

/**
 * @param weights store of the tables
 * @param close releases the store; called by the program's `dispose`
 * @returns the program itself if its graph has no such tables; `close` is not called then
 */
export function withStoredRows(program: Program, weights: WeightStore, close: () => Promise<void>): Program {
  const tables = storedTables(program.graph);
  return tables.size === 0 ? program : new StoredRowsProgram(program, weights, tables, close);
}

class StoredRowsProgram implements Program {
  readonly #program: Program;
  readonly #weights: WeightStore;
  readonly #tables: ReadonlyMap<string, Table>;
  readonly #close: () => Promise<void>;
  /** The last step. Steps are submitted in order. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(program: Program, weights: WeightStore, tables: ReadonlyMap<string, Table>, close: () => Promise<void>) {
    this.#program = program;
    this.#weights = weights;
    this.#tables = tables;
    this.#close = close;
  }

  get graph(): Graph {
    return this.#program.graph;
  }

  get maxTokens(): number {
    return this.#program.maxTokens;
  }

  get maxRows(): number {
    return this.#program.maxRows;
  }

  get context(): number {
    return this.#program.context;
  }

  get description(): ProgramDescription {
    return this.#program.description;
  }

  get exactSettings(): Settings {
    return this.#program.exactSettings;
  }

  get memoryBytes(): number {
    return this.#program.memoryBytes;
  }

  openPages(kv: BlockFormat): PageStore {
    return this.#program.openPages(kv);
  }

  run(step: Step): StepResult {
    checkStep(this, step);
    const submitted = this.#last.then(() => this.#submit(step));
    this.#last = submitted.catch(() => undefined);
    return new PendingResult(submitted);
  }

  async #submit(step: Step): Promise<StepResult> {
    const resolved = await withKnownTokens(step);
    const ids = isCached(resolved)
      ? resolved.sequences.flatMap(({ tokens }) => Array.from(tokens as ArrayLike<number>))
      : Array.from(resolved.tokens as ArrayLike<number>);
    const inputs: Record<string, InputValues> = { ...step.inputs };
    for (const [name, table] of this.#tables) inputs[name] = await readRows(this.#weights, table, ids);
    return this.#program.run({ ...resolved, inputs });
  }

  readTensor(name: string): Promise<Float32Array> {
    return this.#program.readTensor(name);
  }

  writeTensor(name: string, values: Float32Array): Promise<void> {
    return this.#program.writeTensor(name, values);
  }

  async derive(graph: Graph): Promise<Program> {
    const program = await this.#program.derive(graph);
    return withStoredRows(program, this.#weights, async () => undefined);
  }

  timings(): Timing[] {
    return this.#program.timings?.() ?? [];
  }

  dispose(): void {
    this.#program.dispose();
    void this.#last.then(this.#close).catch(() => undefined);
  }
}

/** Result of a step that is submitted when its rows have been read. */
class PendingResult implements StepResult {
  readonly submitted: Promise<StepResult>;

  constructor(submitted: Promise<StepResult>) {
    this.submitted = submitted;
    // a step whose result nobody reads may fail
    submitted.catch(() => undefined);
  }

  async finished(): Promise<void> {
    await (await this.submitted).finished();
  }

  async output(name: string): Promise<Float32Array> {
    return (await this.submitted).output(name);
  }

  async choices(): Promise<Int32Array> {
    return (await this.submitted).choices();
  }

  release(): void {
    this.submitted.then(
      (result) => result.release(),
      () => undefined,
    );
  }
}

/** Decodes the rows of ids, [T, width]. Each row is read once. @throws {OptionError} for an id outside the table */
async function readRows(weights: WeightStore, table: Table, ids: readonly number[]): Promise<Float32Array> {
  const [rows, width] = table.shape as readonly [number, number];
  const { format, tensor } = table.attributes;
  const values = new Float32Array(ids.length * width);
  const first = new Map<number, number>();
  for (const [i, id] of ids.entries()) {
    if (!(Number.isInteger(id) && id >= 0 && id < rows))
      throw new OptionError('token', id, `0 to ${rows - 1}, the rows of ${tensor}`);
    if (!first.has(id)) first.set(id, i);
  }
  await Promise.all(
    Array.from(first, async ([id, i]) => {
      const bytes = new Uint8Array(bytesOf(format, width));
      await weights.readRows(table, id, bytes);
      format.decode(bytes, 0, values, i * width, width / format.blockSize);
    }),
  );
  for (const [i, id] of ids.entries()) {
    const from = first.get(id)! * width;
    if (from !== i * width) values.copyWithin(i * width, from, from + width);
  }
  return values;
}

/** The step with ids in place of tokens that earlier steps chose, and with the program's own results in place of pending ones. */
async function withKnownTokens(step: Step): Promise<Step> {
  const { from } = step;
  const kept = from && { cut: from.cut, rows: await Promise.all(from.rows.map(submittedRow)) };
  if (!isCached(step)) return { ...step, from: kept, tokens: await idsOf(step.tokens) };
  const sequences = step.sequences.map(async (part) => ({ ...part, tokens: await idsOf(part.tokens) }));
  return { ...step, from: kept, sequences: await Promise.all(sequences) };
}

async function submittedRow<R extends { readonly from: StepResult }>(row: R): Promise<R> {
  return row.from instanceof PendingResult ? { ...row, from: await row.from.submitted } : row;
}

function idsOf(tokens: ArrayLike<number | ChosenToken>): Promise<number[]> {
  return Promise.all(
    Array.from(tokens, async (token) => (typeof token === 'number' ? token : (await token.from.choices())[token.row])),
  );
}
