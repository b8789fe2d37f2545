/** What the parts of bench/shape.ts share: a source, its texts, and files that are made once. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type Comparison, compare } from '../../src/compress/index.ts';
import { imatrix } from '../peers/llamaQuantize.ts';
import { writePermuted } from './permuted.ts';

export interface SettingOptions {
  readonly model: string;
  readonly text: string;
  readonly calibrate?: string;
  readonly window: number;
  readonly windows: number;
  readonly tokens: number;
  readonly threads: number;
}

/** A file and the seconds that it took. */
export interface Made {
  readonly path: string;
  readonly seconds: number;
}

export class Setting {
  readonly options: SettingOptions;
  readonly folder: string;
  /** The model in F32 with permuted channels. */
  readonly source: string;
  readonly calibrating: string;
  readonly evaluated: string;
  readonly #prefix: string;

  private constructor(options: SettingOptions, folder: string, source: string, texts: readonly [string, string]) {
    this.options = options;
    this.folder = folder;
    this.source = source;
    [this.calibrating, this.evaluated] = texts;
    const text = options.calibrate === undefined ? '' : `${basename(options.calibrate, '.txt')}-`;
    this.#prefix = `${text}${options.windows}x${options.window}-`;
  }

  static async create(options: SettingOptions): Promise<Setting> {
    const folder = resolve('runs/shape', basename(options.model).replace(/\.gguf$/, ''));
    await mkdir(folder, { recursive: true });
    const source = join(folder, 'permuted-f32.gguf');
    if (!existsSync(source)) {
      await writePermuted(options.model, `${source}.partial`);
      await rename(`${source}.partial`, source);
    }
    const text = await readFile(options.text, 'utf8');
    const cut = Math.floor(0.9 * text.length);
    const own = options.calibrate === undefined ? text.slice(0, cut) : await readFile(options.calibrate, 'utf8');
    return new Setting(options, folder, source, [own, text.slice(cut)]);
  }

  get calibration() {
    const { window, windows } = this.options;
    return { text: this.calibrating, window, windows };
  }

  /** Makes a file in the run's folder. A later run of the bench takes it as it is, with the seconds that it took then. */
  async made(name: string, make: (path: string) => Promise<unknown>): Promise<Made> {
    const path = join(this.folder, this.#prefix + name);
    const note = `${path}.seconds`;
    if (existsSync(path) && existsSync(note)) return { path, seconds: Number(await readFile(note, 'utf8')) };
    const started = performance.now();
    await make(path);
    const seconds = (performance.now() - started) / 1000;
    await writeFile(note, String(seconds));
    return { path, seconds };
  }

  /** The importance matrix of llama-imatrix on the calibration text. */
  imatrix(): Promise<Made> {
    const { window, windows, threads } = this.options;
    return this.made('imatrix.gguf', async (path) => {
      const text = join(this.folder, `${this.#prefix}calibration.txt`);
      await writeFile(text, this.calibrating);
      await imatrix(this.source, text, path, { window, windows, threads });
    });
  }

  /** Compares files with the source on the evaluated text, computed exactly. */
  async judge(models: readonly string[]): Promise<Comparison[]> {
    const { window, tokens, threads } = this.options;
    const options = { text: this.evaluated, context: window, maxTokens: tokens, exact: true, speed: false, threads };
    return (await compare(this.source, models, options)).slice(1);
  }
}

export const bytesOf = async (path: string): Promise<number> => (await stat(path)).size;
