/**
 * What a search for formats has measured so far, in a file beside the output (`model.gguf.budget.json`): a run that is interrupted
 * continues when it is started again, and chooses the same formats.
 */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import type { ByteSource } from '../formats/byteSource.ts';
import { readText } from '../formats/json.ts';
import { splitPath } from './writeFile.ts';

interface State {
  /** Distinguishes searches by the model, the budget and the text. */
  readonly key: string;
  /** Divergence of each matrix in each of its formats, by tensor name. */
  readonly costs: Record<string, readonly number[]>;
  /** Divergences of whole models that the evolution has measured: it takes the same way again up to where it was. */
  readonly losses: Record<string, number>;
  /** Chosen formats: indices, in the order of the matrices. */
  levels?: readonly number[];
}

export class BudgetStore {
  readonly #folder: ReturnType<typeof checkpointFolder>;
  readonly #file: string;
  readonly #state: State;

  private constructor(folder: ReturnType<typeof checkpointFolder>, file: string, state: State) {
    this.#folder = folder;
    this.#file = file;
    this.#state = state;
  }

  /** Opens the store of an output. What another search has left there is replaced. */
  static async open(output: string, key: string): Promise<BudgetStore> {
    const [path, name] = splitPath(output);
    const folder = checkpointFolder(path);
    const file = `${name}.budget.json`;
    const found = (await folder.list()).includes(file) ? await stateIn(await folder.open(file)) : undefined;
    return new BudgetStore(folder, file, found?.key === key ? found : { key, costs: {}, losses: {} });
  }

  get levels(): readonly number[] | undefined {
    return this.#state.levels;
  }

  costs(tensor: string): readonly number[] | undefined {
    return this.#state.costs[tensor];
  }

  async putCosts(tensor: string, costs: readonly number[]): Promise<void> {
    // JSON has no infinity
    if (!costs.every(Number.isFinite)) return;
    this.#state.costs[tensor] = costs;
    await this.#write();
  }

  loss(model: string): number | undefined {
    return this.#state.losses[model];
  }

  async putLoss(model: string, loss: number): Promise<void> {
    if (!Number.isFinite(loss)) return;
    this.#state.losses[model] = loss;
    await this.#write();
  }

  async finish(levels: readonly number[]): Promise<void> {
    this.#state.levels = levels;
    await this.#write();
  }

  /** Removes the file. */
  clear(): Promise<void> {
    return this.#folder.remove(this.#file);
  }

  #write(): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(this.#state));
    return this.#folder.replace(this.#file, (sink) => sink.write(bytes));
  }
}

/** The state in a file; undefined if it is damaged. */
async function stateIn(source: ByteSource): Promise<State | undefined> {
  try {
    const state = JSON.parse(await readText(source)) as State;
    const isState =
      typeof state?.key === 'string' && [state.costs, state.losses].every((each) => each instanceof Object);
    return isState ? state : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    await source.close();
  }
}
