/** Sources `package:NAME[@GENERATION][#ROLE]`: components of installed packages. */
import { deviceFiles } from '#leaf/formats/packages/deviceFiles';
import { OptionError } from '../../core/errors.ts';
import type { Folder } from '../folder.ts';
import { componentOf, installedGeneration, openComponent } from './componentSource.ts';
import type { Manifest } from './manifest.ts';
import { PackageStore } from './packageStore.ts';

export interface InstalledPackage {
  readonly name: string;
  readonly generation: string;
  readonly manifest: Manifest;
  /** The component that the source names. */
  readonly role: string;
  /** The components' files. */
  readonly folder: Folder;
}

/**
 * @param packages folder of installed packages
 * @throws {OptionError} for an invalid source; {PackageError} NOT_INSTALLED
 */
export async function findInstalled(source: string, packages?: string): Promise<InstalledPackage> {
  const { name, generation: pinned, role } = parseSource(source);
  const store = new PackageStore(deviceFiles(packages));
  const generation = pinned ?? (await installedGeneration(store, name));
  const manifest = await store.manifest(generation);
  const folder: Folder = {
    name: `package:${name}`,
    async open(file) {
      const component = manifest.components.find((each) => each.file.name === file);
      return component && openComponent(store, name, component.role, generation);
    },
  };
  return { name, generation, manifest, role, folder };
}

export interface LocatedComponent {
  /** The package as a folder. */
  readonly folder: Folder;
  /** File of the component; undefined if the whole folder is the model, as Hugging Face folders are. */
  readonly file?: string;
  /** File of the tokenizer component, which replaces the one in `file`. */
  readonly tokenizer?: string;
}

/** @throws what `findInstalled` throws; {PackageError} NOT_IN_PACKAGE */
export async function locateInstalled(source: string, packages?: string): Promise<LocatedComponent> {
  const { folder, manifest, role } = await findInstalled(source, packages);
  const { file } = componentOf(manifest, role);
  if (role !== 'base') return { folder, file: file.name };
  const { components } = manifest;
  if (!/\.gguf$/i.test(file.name) && components.some((each) => each.file.name === 'config.json')) return { folder };
  const tokenizer = components.find((each) => each.role === 'tokenizer')?.file.name;
  return { folder, file: file.name, ...(tokenizer !== undefined && { tokenizer }) };
}

/** The source of a component of a certain generation. */
export function pinnedSource({ name, generation }: InstalledPackage, role: string): string {
  return `package:${name}@${generation}#${role}`;
}

function parseSource(source: string): { readonly name: string; readonly generation?: string; readonly role: string } {
  const [, name, generation, role = 'base'] = /^package:([^#]+?)(?:@([0-9a-f]{64}))?(?:#(.+))?$/i.exec(source) ?? [];
  if (name === undefined) throw new OptionError('source', source, 'package:NAME or package:NAME#ROLE');
  return { name, role, ...(generation !== undefined && { generation }) };
}
