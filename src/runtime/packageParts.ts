/** Reads the parts of an installed package that `load` needs: base, template, and the components that the caller names. */
import { UnsupportedError } from '../core/errors.ts';
import { readText } from '../formats/json.ts';
import { openCheckpoint } from '../formats/open.ts';
import { componentOf } from '../formats/packages/componentSource.ts';
import { findInstalled, type InstalledPackage, pinnedSource } from '../formats/packages/locateInstalled.ts';
import { isEssential } from '../formats/packages/manifest.ts';
import { type Adapter, readAdapter } from '../models/adapter.ts';
import { type LoadOptions, openOptions } from './loadOptions.ts';

export interface PackageParts {
  /** Source of the component to run, of this generation even if another one becomes current meanwhile. */
  readonly source: string;
  readonly generation: string;
  /** Adapters by role. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** Sources of heads and experts, whose tensors join the base's. */
  readonly joined: readonly string[];
  /** Source of an early exit. */
  readonly exit?: string;
  /** Source of a smaller model that drafts. */
  readonly draft?: string;
  /** Jinja source of the template component. */
  readonly template?: string;
}

const LOADABLE = ['base', 'template', 'tokenizer', 'draft', 'adapter/NAME', 'head/NAME', 'experts/NAME'];

/** @throws {PackageError} NOT_INSTALLED, NOT_IN_PACKAGE, NOT_FETCHED; {UnsupportedError} for a component that no model can use */
export async function readPackageParts(source: string, options: LoadOptions): Promise<PackageParts> {
  const installed = await findInstalled(source, options.packages);
  const adapters = new Map<string, Adapter>();
  const joined: string[] = [];
  const more: { exit?: string; draft?: string } = {};
  for (const role of new Set(options.components)) {
    componentOf(installed.manifest, role);
    const pinned = pinnedSource(installed, role);
    if (role.startsWith('adapter/')) adapters.set(role, await adapterOf(pinned, options));
    else if (role === 'draft') more.draft = pinned;
    else if (/^(head|experts)\//.test(role)) {
      if (await isExit(pinned, options)) more.exit = pinned;
      else joined.push(pinned);
    } else if (!isEssential(role)) throw new UnsupportedError('loading the component', role, LOADABLE, { role });
  }
  const template = await templateOf(installed, options.signal);
  return {
    source: pinnedSource(installed, installed.role),
    generation: installed.generation,
    adapters,
    joined,
    ...more,
    ...(template !== undefined && { template }),
  };
}

/** Generation that would be loaded now. */
export async function currentGeneration(source: string, packages?: string): Promise<string> {
  return (await findInstalled(source, packages)).generation;
}

async function adapterOf(source: string, options: LoadOptions): Promise<Adapter> {
  const checkpoint = await openCheckpoint(source, openOptions(options));
  try {
    return await readAdapter(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

/** True for the file of an early exit, which is loaded like the option `exit`. */
async function isExit(source: string, options: LoadOptions): Promise<boolean> {
  const checkpoint = await openCheckpoint(source, { ...openOptions(options), headerOnly: true });
  try {
    return checkpoint.metadata.get('general.type') === 'exit';
  } finally {
    await checkpoint.close();
  }
}

async function templateOf({ manifest, folder }: InstalledPackage, signal?: AbortSignal): Promise<string | undefined> {
  const component = manifest.components.find(({ role }) => role === 'template');
  const file = component && (await folder.open(component.file.name, signal));
  if (!file) return undefined;
  try {
    return await readText(file, signal);
  } finally {
    await file.close();
  }
}
