import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Manifest } from '../../formats/packages/manifest.ts';
import { checkRequirements, ENGINE_VERSION } from './requirements.ts';

const manifest = (requires: Manifest['requires'], ofAdapter: Manifest['requires'] = {}): Manifest => ({
  format: 'espalier-package/1',
  name: 'tiny',
  version: '2',
  ...(requires && { requires }),
  components: ['base', 'adapter/legal'].map((role) => ({
    role,
    file: { name: role, bytes: 0, sha256: '' },
    sections: [],
    ...(role !== 'base' && { requires: ofAdapter }),
  })),
});

it('knows the version of this engine', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  expect(ENGINE_VERSION).toBe(version);
});

it.each(['0.0.9', '0.1.0', undefined])('accepts a package for engine %s', (engine) => {
  checkRequirements(manifest(engine === undefined ? undefined : { engine }));
});

it('refuses a newer engine, more memory and another class of device, also of one component', () => {
  for (const engine of ['0.1.1', '0.10.0', '1.0.0'])
    expect(() => checkRequirements(manifest({ engine }))).toThrow(`tiny 2 needs Espalier ${engine}, this device has`);
  const memory = manifest({ memoryBytes: 2e9 });
  checkRequirements(memory);
  checkRequirements(memory, { memoryBytes: 2e9 });
  expect(() => checkRequirements(memory, { memoryBytes: 1e9 })).toThrow('needs bytes of memory: 2000000000');
  const phones = manifest({}, { devices: ['phone', 'tablet'] });
  checkRequirements(phones);
  checkRequirements(phones, { deviceClass: 'tablet' });
  expect(() => checkRequirements(phones, { deviceClass: 'board' })).toThrow(
    'tiny, component adapter/legal, 2 needs a device of the class phone or tablet, this device has board',
  );
});
