/** The files of components: a split GGUF and a Hugging Face folder are several. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SourceError } from '../../../index.ts';

export interface RoleAndPath {
  readonly role: string;
  readonly path: string;
}

export interface ComponentFile extends RoleAndPath {
  readonly fileName: string;
}

/** x-00001-of-00003.gguf, as llama.cpp's gguf-split names the parts. */
const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;
const WEIGHTS = /\.safetensors$/;
/** Files of a Hugging Face folder that a model is read from. */
const BESIDE = /\.(safetensors|json|jinja|txt|model)$/;
/** Roles of files of a folder; the others are further files of the base. */
const ROLES: Readonly<Record<string, string>> = {
  'tokenizer.json': 'tokenizer',
  'chat_template.jinja': 'template',
};

/** @throws {SourceError} if a folder has no model, or is not a base */
export async function componentFiles(given: readonly RoleAndPath[]): Promise<ComponentFile[]> {
  const found = await Promise.all(given.map(filesOf));
  return found.flat();
}

async function filesOf({ role, path }: RoleAndPath): Promise<ComponentFile[]> {
  const isFolder = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (isFolder) return filesOfFolder(role, path);
  const fileName = basename(path);
  const [, stem, , count] = PART.exec(fileName) ?? [];
  if (role !== 'base' || count === undefined) return [{ role, path, fileName }];
  return Array.from({ length: Number(count) }, (_, i) => {
    const part = `${stem}-${String(i + 1).padStart(5, '0')}-of-${count}.gguf`;
    return { role: i === 0 ? role : `${role}/${part}`, path: join(dirname(path), part), fileName: part };
  });
}

async function filesOfFolder(role: string, path: string): Promise<ComponentFile[]> {
  if (role !== 'base') throw new SourceError(path, `is a folder, expected a file of the component ${role}`);
  const names = (await readdir(path)).filter((name) => BESIDE.test(name)).sort();
  // the base is the first file with weights
  const first = names.find((name) => WEIGHTS.test(name));
  if (first === undefined || !names.includes('config.json'))
    throw new SourceError(path, 'has no config.json or no .safetensors: expected a Hugging Face folder');
  return names.map((name) => ({
    role: name === first ? role : (ROLES[name] ?? `${role}/${name}`),
    path: join(path, name),
    fileName: name,
  }));
}
