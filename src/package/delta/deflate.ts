/** Deflate with zlib's header (RFC 1950) through the platform's streams, with a limit on what comes out. */
import { EspalierError } from '../../core/errors.ts';
import { readAtMost } from '../../core/readAtMost.ts';

export async function deflate(parts: readonly Uint8Array[]): Promise<Uint8Array> {
  return (await through(new CompressionStream('deflate'), parts, Number.POSITIVE_INFINITY))!;
}

/** @param most bytes of the result @throws {EspalierError} BAD_DELTA for more, or bytes that are not deflated */
export async function inflateAtMost(bytes: Uint8Array, most: number): Promise<Uint8Array> {
  const inflated = await through(new DecompressionStream('deflate'), [bytes], most).catch((cause) => {
    throw new EspalierError('BAD_DELTA', 'the delta is not deflated data', {}, { cause });
  });
  if (inflated) return inflated;
  throw new EspalierError('BAD_DELTA', `the delta inflates to more than ${most} bytes`, { most });
}

/** @returns undefined for more than `most` bytes */
async function through(
  stream: CompressionStream | DecompressionStream,
  parts: readonly Uint8Array[],
  most: number,
): Promise<Uint8Array | undefined> {
  const writer = (stream.writable as WritableStream<Uint8Array>).getWriter();
  const writing = (async () => {
    for (const part of parts) await writer.write(part);
    await writer.close();
  })();
  // the reader reports what goes wrong; here it must only not be unhandled
  writing.catch(() => {});
  const bytes = await readAtMost(stream.readable as ReadableStream<Uint8Array>, most);
  if (bytes) await writing;
  return bytes;
}
