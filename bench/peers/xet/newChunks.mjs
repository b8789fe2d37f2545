/**
 * Prints the bytes of the chunks of a file that another file does not have, as Xet's storage cuts them. Chunks are fetched in compressed form; Xet tries
 * LZ4 behind a byte grouping, which gains nothing on quantized weights, so whole chunks are counted. argv: old file, new file
 */
import { readFileSync } from 'node:fs';
import { getChunks, hashToHex } from '@huggingface/xetchunk-wasm';

const [, , old, next] = process.argv;
const chunksOf = (path) => getChunks(readFileSync(path));
const here = new Set(chunksOf(old).map(({ hash }) => hashToHex(hash)));
let bytes = 0;
for (const { hash, length } of chunksOf(next)) {
  const name = hashToHex(hash);
  if (!here.has(name)) bytes += length;
  here.add(name);
}
console.log(bytes);
