/** Deflate with zlib's header (RFC 1950) through the platform's streams, with a limit on what comes out. */
import { EspalierError } from '../../core/errors.ts';

export async function deflate(parts: readonly Uint8Array[]): Promise<Uint8Array> {
  return joined(await through(new CompressionStream('deflate'), parts, Number.POSITIVE_INFINITY));
}

/** @param most bytes of the result @throws {EspalierError} BAD_DELTA for more, or bytes that are not deflated */
export async function inflateAtMost(bytes: Uint8Array, most: number): Promise<Uint8Array> {
  return joined(await through(new DecompressionStream('deflate'), [bytes], most));
}

async function through(stream: CompressionStream | DecompressionStream, parts: readonly Uint8Array[], most: number) {
  const writer = (stream.writable as WritableStream<Uint8Array>).getWriter();
  const writing = (async () => {
    for (const part of parts) await writer.write(part);
    await writer.close();
  })();
  // the reader reports what goes wrong; here it must only not be unhandled
  writing.catch(() => {});
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = (stream.readable as ReadableStream<Uint8Array>).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > most)
        throw new EspalierError('BAD_DELTA', `the delta inflates to more than ${most} bytes`, { most });
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof EspalierError) throw error;
    throw new EspalierError('BAD_DELTA', 'the delta is not deflated data', {}, { cause: error });
  }
  await writing;
  return chunks;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
