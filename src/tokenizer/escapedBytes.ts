/**
 * Token texts that are not valid UTF-8: each invalid byte is represented by a lone low surrogate U+DC80 … U+DCFF, which valid
 * text never contains (Python's "surrogateescape").
 */
const encoder = new TextEncoder();

export function bytesOfText(text: string): Uint8Array {
  if (!/[\udc80-\udcff]/.test(text)) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else for (const byte of encoder.encode(character)) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
