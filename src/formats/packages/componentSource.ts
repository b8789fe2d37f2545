/** A component of an installed package as a source of bytes: a view over the store's pieces, no second copy of the file. */
import { type ByteSource, checkRange } from '../byteSource.ts';
import type { Manifest, Piece } from './manifest.ts';
import { PackageError } from './packageError.ts';
import type { PackageStore } from './packageStore.ts';

/** Bytes of the file that a piece holds, or zeros. */
interface Extent {
  readonly offset: number;
  readonly bytes: number;
  readonly piece?: Piece;
}

/**
 * Keeps its generation from being collected until it is closed.
 * @param role of the component, such as 'base' or 'adapter/legal' @param generation default: the current one
 * @throws {PackageError} NOT_INSTALLED; NOT_IN_PACKAGE listing the roles that there are; NOT_FETCHED
 */
export async function openComponent(
  store: PackageStore,
  packageName: string,
  role = 'base',
  generation?: string,
): Promise<ByteSource> {
  const wanted = generation ?? (await installedGeneration(store, packageName));
  // before it is read, so that no collection comes between
  const release = await store.hold(wanted);
  let manifest: Manifest;
  let component: Manifest['components'][number];
  try {
    manifest = await store.manifest(wanted);
    component = componentOf(manifest, role);
    checkInstalled(await store.installed(wanted), role, store.name);
  } catch (error) {
    await release();
    throw error;
  }
  const extents = extentsOf(component.sections);
  const source: ByteSource = {
    name: `${packageName} ${manifest.version}/${component.file.name}`,
    size: component.file.bytes,
    isLocal: true,
    async read(offset, length, into, signal) {
      checkRange(source, offset, length, into);
      for (let at = offset, i = indexAt(extents, offset); at < offset + length; i++) {
        signal?.throwIfAborted();
        const { piece, bytes, offset: start } = extents[i];
        const count = Math.min(start + bytes, offset + length) - at;
        const part = into.subarray(at - offset, at - offset + count);
        if (piece) await store.read(piece, at - start, part);
        else part.fill(0);
        at += count;
      }
    },
    close: release,
  };
  return source;
}

/** Returns the generation that models are loaded from. @throws {PackageError} NOT_INSTALLED listing the packages that are */
export async function installedGeneration(store: PackageStore, packageName: string): Promise<string> {
  const accepted = await store.accepted(packageName);
  if (accepted !== undefined) return accepted;
  const names = (await store.names()).join(', ') || 'none';
  const problem = `the package ${packageName} is not installed; installed: ${names}`;
  throw new PackageError('NOT_INSTALLED', `${store.name}: ${problem}`, { package: packageName });
}

/** @param role must be in the package, if given @throws {PackageError} NOT_INSTALLED, NOT_IN_PACKAGE */
export async function installedManifest(store: PackageStore, packageName: string, role?: string): Promise<Manifest> {
  const manifest = await store.manifest(await installedGeneration(store, packageName));
  if (role !== undefined) componentOf(manifest, role);
  return manifest;
}

/** @throws {PackageError} NOT_IN_PACKAGE */
export function componentOf(manifest: Manifest, role: string): Manifest['components'][number] {
  const component = manifest.components.find((component) => component.role === role);
  if (component) return component;
  const roles = manifest.components.map(({ role }) => role).join(', ');
  throw new PackageError('NOT_IN_PACKAGE', `${manifest.name} has no component ${role}; it has ${roles}`, { role });
}

/** @throws {PackageError} NOT_FETCHED */
function checkInstalled({ name, components }: Manifest, role: string, where: string): void {
  if (components.some((component) => component.role === role)) return;
  const problem = `the component ${role} of ${name} is not installed: pull the package with this component`;
  throw new PackageError('NOT_FETCHED', `${where}: ${problem}`, { package: name, role });
}

function extentsOf(sections: Manifest['components'][number]['sections']): Extent[] {
  const extents: Extent[] = [];
  let offset = 0;
  const add = (bytes: number, piece?: Piece) => {
    extents.push({ offset, bytes, ...(piece && { piece }) });
    offset += bytes;
  };
  for (const section of sections) {
    if ('zeros' in section) add(section.zeros);
    else for (const piece of section.pieces) add(piece.bytes, piece);
  }
  return extents;
}

/** Index of the extent that holds a byte, by bisection. */
function indexAt(extents: readonly Extent[], offset: number): number {
  let [low, high] = [0, extents.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (extents[middle].offset <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
