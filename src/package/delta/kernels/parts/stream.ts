/**
 * The coded bytes of a piece:
 *
 *     byte  0        4                                 head
 *          [ head   ][ tables, raw bits: two bit streams ][ rANS: 17 states, then words ]
 *            u32                                            68 bytes       u16 each
 */
import { closeWriter, openReader, openWriter, readerAt } from "./bits";
import { openList, openWords, readTables, wordsEndWell, writeTables, writeWords } from "./rans";

/** @param room scratch for the symbols, 4 bytes each @param rest scratch for raw bits */
export function beginEncoding(room: usize, rest: usize): void {
  openList(room);
  openWriter(rest);
}

/** Writes the collected symbols and bits. @returns bytes written; 0 if they do not fit between `to` and `toEnd` */
export function endEncoding(to: usize, toEnd: usize, rest: usize): usize {
  const restBytes = closeWriter() - rest;
  openWriter(to + 4);
  writeTables();
  const tablesEnd = closeWriter();
  const head = tablesEnd + restBytes;
  const words = writeWords(toEnd);
  if (words < head) return 0;
  memory.copy(tablesEnd, rest, restBytes);
  store<u32>(to, <u32>(head - to));
  memory.copy(head, words, toEnd - words);
  return head + (toEnd - words) - to;
}

/** @returns false for bytes that no encoder writes */
export function beginDecoding(from: usize, fromEnd: usize): bool {
  if (from + 4 > fromEnd) return false;
  const head = from + load<u32>(from);
  if (head < from + 4 || head > fromEnd) return false;
  openReader(from + 4, head);
  if (!readTables()) return false;
  openReader(readerAt(), head);
  return openWords(head, fromEnd);
}

/** @returns true if all words were used, and nothing else */
export function endDecoding(): bool {
  return wordsEndWell();
}
