import { expect, it } from 'vitest';
import { UnsupportedError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { buildModel } from './buildModel.ts';
import { architectures } from './index.ts';
import { knownButMissing, unsupportedModel } from './missing.ts';

it('says what a known model would need, and what runs', () => {
  const error = unsupportedModel('architecture', 'x.gguf', 'rwkv7', ['llama']);
  expect(error.message).toBe(
    "x.gguf: architecture rwkv7, which needs RWKV's recurrence, is not supported; supported: llama",
  );
  expect(error.data).toMatchObject({ architecture: 'rwkv7', needs: "RWKV's recurrence" });
  expect(unsupportedModel('model_type', 'folder', 'gpt_oss', []).message).toMatch(
    /gpt_oss, which needs weights in MXFP4/,
  );
  expect(unsupportedModel('model_type', 'folder', 'toString', []).message).toBe(
    'folder: model_type toString is not supported',
  );
});

it('lists no model as missing that runs', () => {
  const names = architectures.filter(({ foldersOnly }) => !foldersOnly).map(({ name }) => name);
  const types = architectures.flatMap(({ folders = [] }) => folders.flatMap(({ modelTypes }) => modelTypes));
  expect(knownButMissing.architecture.filter((name) => names.includes(name))).toEqual([]);
  expect(knownButMissing.model_type.filter((type) => types.includes(type))).toEqual([]);
});

it.each(['adapter', 'imatrix', 'mmproj'])('says first that a file is no model: %s', (type) => {
  const checkpoint: Checkpoint = {
    name: 'x.gguf',
    kind: 'gguf',
    metadata: new Map(Object.entries({ 'general.type': type, 'general.architecture': 'llama' })),
    tensors: new Map(),
    byteLength: 0,
    close: async () => undefined,
  };
  expect(() => buildModel(checkpoint)).toThrow(UnsupportedError);
  expect(() => buildModel(checkpoint)).toThrow(`general.type ${type}, which`);
});
