/** Reads the parts of an installed package that `load` needs: base, template, and the adapters that the caller names. */
import { UnsupportedError } from '../core/errors.ts';
import { readText } from '../formats/json.ts';
import { openCheckpoint } from '../formats/open.ts';
import { componentOf } from '../formats/packages/componentSource.ts';
import { findInstalled, type InstalledPackage, pinnedSource } from '../formats/packages/locateInstalled.ts';
import { type Adapter, readAdapter } from '../models/adapter.ts';
import { type LoadOptions, openOptions } from './loadOptions.ts';

export interface PackageParts {
  /** Source of the component to run, of this generation even if another one becomes current meanwhile. */
  readonly source: string;
  readonly generation: string;
  /** Adapters by role. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** Jinja source of the template component. */
  readonly template?: string;
}

/** @throws {PackageError} NOT_INSTALLED, NOT_IN_PACKAGE; {UnsupportedError} for a component that no model can use */
export async function readPackageParts(source: string, options: LoadOptions): Promise<PackageParts> {
  const installed = await findInstalled(source, options.packages);
  const adapters = new Map<string, Adapter>();
  for (const role of new Set(options.components)) {
    componentOf(installed.manifest, role);
    if (role.startsWith('adapter/')) adapters.set(role, await adapterOf(installed, role, options));
    else if (role !== 'base' && role !== 'template')
      throw new UnsupportedError('loading the component', role, ['base', 'template', 'adapter/NAME'], { role });
  }
  const template = await templateOf(installed, options.signal);
  return {
    source: pinnedSource(installed, installed.role),
    generation: installed.generation,
    adapters,
    ...(template !== undefined && { template }),
  };
}

/** Generation that would be loaded now. */
export async function currentGeneration(source: string, packages?: string): Promise<string> {
  return (await findInstalled(source, packages)).generation;
}

async function adapterOf(installed: InstalledPackage, role: string, options: LoadOptions): Promise<Adapter> {
  const checkpoint = await openCheckpoint(pinnedSource(installed, role), openOptions(options));
  try {
    return await readAdapter(checkpoint);
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
