/** Raw deflate in Node: zlib, since `DecompressionStream('deflate-raw')` came only with Node 20.12. */
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';

export async function inflate(deflated: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await promisify(inflateRaw)(deflated));
}
