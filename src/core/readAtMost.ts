/** Reads a stream of bytes whose length is not to be believed. */
import { concatenated } from './concatenated.ts';

/** @returns undefined if there are more bytes than `most`; never holds more */
export async function readAtMost(
  stream: ReadableStream<Uint8Array> | null | undefined,
  most: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = stream?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      await reader.cancel().catch(() => {});
      return undefined;
    }
    chunks.push(value);
  }
  return concatenated(chunks);
}
