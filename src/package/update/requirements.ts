/** Refuses packages that this device cannot run, before anything is fetched. */
import type { Manifest } from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';

/** Version of this engine. A test compares it with package.json. */
export const ENGINE_VERSION = '0.1.0';

/** Properties of a device. A requirement of an absent property is not checked. */
export interface Device {
  /** Memory for the model in bytes. */
  readonly memoryBytes?: number;
  /** Class of the device, e.g. 'phone'. */
  readonly deviceClass?: string;
}

/** @param wanted manifest with the components to install @throws {PackageError} REQUIREMENTS naming the component */
export function checkRequirements(wanted: Manifest, { memoryBytes, deviceClass }: Device = {}): void {
  const all = [
    { what: wanted.name, requires: wanted.requires },
    ...wanted.components.map(({ role, requires }) => ({ what: `${wanted.name}, component ${role},`, requires })),
  ];
  for (const { what, requires = {} } of all) {
    const fail = (needed: unknown, found: unknown, unit: string): never => {
      const problem = `needs ${unit} ${needed}, this device has ${found}`;
      throw new PackageError('REQUIREMENTS', `${what} ${wanted.version} ${problem}`, { needed, found });
    };
    const { engine, devices } = requires;
    if (engine !== undefined && isOlder(ENGINE_VERSION, engine)) fail(engine, ENGINE_VERSION, 'Espalier');
    if (memoryBytes !== undefined && (requires.memoryBytes ?? 0) > memoryBytes)
      fail(requires.memoryBytes, memoryBytes, 'bytes of memory:');
    if (deviceClass !== undefined && devices && !devices.includes(deviceClass))
      fail(devices.join(' or '), deviceClass, 'a device of the class');
  }
}

/** Compares 'major.minor.patch'. */
function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number)) as [number[], number[]];
  const i = a.findIndex((part, i) => part !== b[i]);
  return i >= 0 && a[i] < b[i];
}
