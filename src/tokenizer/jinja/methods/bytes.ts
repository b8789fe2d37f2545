/** Methods of bytes. */
import type { Methods } from '../attributes.ts';
import { signature } from '../call.ts';
import { valueError } from '../errors.ts';
import { Builtin, type Bytes, isString, stringValue } from '../values.ts';

const decode = signature('decode', 'encoding?', 'errors?');

export const bytesMethods: Methods<Bytes> = new Map([
  [
    'decode',
    ({ value }: Bytes) =>
      new Builtin('decode', (args) => {
        const [encoding = 'utf-8'] = decode(args);
        if (!isString(encoding) || !/^utf[-_]?8$/i.test(stringValue(encoding)))
          throw valueError('this encoding is not supported');
        try {
          return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
        } catch {
          throw valueError("'utf-8' codec can't decode the bytes");
        }
      }),
  ],
  [
    'hex',
    ({ value }: Bytes) =>
      new Builtin('hex', () => Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')),
  ],
]);
