/** A character model trained on the speeches of small roles, and the texts of the roles that speak most, which it has not seen. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/formats/open.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { checkpointFolder } from '../../src/train/checkpoint/folder.node.ts';
import { type Dataset, prepareTraining, readRecipe, type TrainableModel, train } from '../../src/train/index.ts';
import { writeModel } from '../../src/train/result.ts';
import { rolesOf } from './roles.ts';

export type BaseFormat = 'F32' | 'Q8_0' | 'Q4_0';

export interface BaseOptions {
  /** Path of plays with "ROLE:" lines. */
  readonly text: string;
  /** Number of roles that are left out. */
  readonly roles: number;
  readonly steps: number;
  readonly layers: number;
  readonly width: number;
}

const SEQUENCE = 64;
/** Part of a text, at its end, that is not trained on. */
export const HELD_OUT = 0.2;

export class Base {
  /** The lines of the roles that were left out, by role. */
  readonly roles: readonly [string, string][];
  readonly #folder: string;

  private constructor(roles: readonly [string, string][], folder: string) {
    this.roles = roles;
    this.#folder = folder;
  }

  static async make({ text, roles, steps, layers, width }: BaseOptions): Promise<Base> {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-base-'));
    const all = readFileSync(text, 'utf8');
    const chosen = rolesOf(all, roles);
    const names = new Set(chosen.map(([role]) => role));
    const others = all.split('\n\n').filter((speech) => !names.has(speech.slice(0, speech.indexOf(':'))));
    const words = `${others.join('\n\n')}\n`;
    const recipe = {
      model: { architecture: 'llama', layers, width, heads: 4, feedForward: 3 * width, context: SEQUENCE },
      tokenizer: { characters: true },
      data: { sources: [{ path: 'others.txt' }], sequence: SEQUENCE, batch: 12, cache: 'cache' },
      optimizer: { learningRate: 3e-3, warmup: 20 },
      ...{ steps, evaluation: { batches: 4 }, output: { path: 'F32.gguf' }, checkpoints: { folder: 'run' } },
    };
    writeFileSync(join(folder, 'others.txt'), words);
    writeFileSync(join(folder, 'base.json'), JSON.stringify({ name: 'base', ...recipe }));
    await train(join(folder, 'base.json'), {});
    // the model knows the characters that it was trained on
    const known = new Set(words);
    const kept = chosen.map(([role, lines]): [string, string] => [
      role,
      [...lines].filter((c) => known.has(c)).join(''),
    ]);
    return new Base(kept, folder);
  }

  /** Opens the base in a format, with a LoRA adapter to train. */
  async open(format: BaseFormat, { rank, targets }: { rank: number; targets: string[] }): Promise<TrainableModel> {
    const start = join(this.#folder, `${format}.gguf`);
    if (format !== 'F32') {
      const { recipe } = await readRecipe(join(this.#folder, 'base.json'));
      const checkpoint = await openCheckpoint(join(this.#folder, 'F32.gguf'));
      const output = { ...recipe.output, format };
      const asIs = { checkpoint, weight: () => undefined };
      await writeModel(checkpointFolder(this.#folder), `${format}.gguf`, { ...recipe, output }, asIs);
      await checkpoint.close();
    }
    return prepareTraining({
      model: { start },
      lora: { rank, targets, freezeA: true },
      data: { sources: [{ path: 'none' }], sequence: SEQUENCE, batch: 8, heldOut: { fraction: HELD_OUT } },
      optimizer: { learningRate: 1e-3, warmup: 0, weightDecay: 0 },
      ...{ steps: 1, evaluation: {} },
    });
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** @param heldOut default: the base's fraction */
export function openText(model: TrainableModel, name: string, text: string, heldOut?: number): Promise<Dataset> {
  const open = async () => memorySource(new TextEncoder().encode(text), name);
  return model.openData([{ weight: 1, open }], { heldOut });
}
