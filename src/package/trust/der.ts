/**
 * The little of ASN.1's DER that keys and signatures need.
 *
 *     byte  0     1        2 …
 *          [ tag ][ length ][ contents ]      a length of 128 and more: [ 0x80 + n ][ n bytes, big-endian ]
 */
import { concatenated } from '../../core/concatenated.ts';

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
/** [0] of a SEC1 key: its curve. */
const PARAMETERS = 0xa0;

interface Element {
  readonly tag: number;
  readonly contents: Uint8Array;
  /** Index of the byte after the element. */
  readonly end: number;
}

/** Returns undefined if the element does not end within the bytes or its length is not as short as possible. */
function elementAt(bytes: Uint8Array, at: number): Element | undefined {
  const [tag, first] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || first === undefined) return undefined;
  let [start, length] = [at + 2, first];
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count < 1 || count > 3 || start + count > bytes.length) return undefined;
    length = bytes.subarray(start, start + count).reduce((value, byte) => value * 256 + byte, 0);
    start += count;
    if (length < 0x80 || length < 256 ** (count - 1)) return undefined;
  }
  const end = start + length;
  return end <= bytes.length ? { tag, contents: bytes.subarray(start, end), end } : undefined;
}

function element(tag: number, ...contents: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concatenated([Uint8Array.of(tag, ...size), ...contents]);
}

/** ECDSA signature from DER to WebCrypto's form. @param size bytes of a coordinate @returns r ‖ s, or undefined if it is not DER */
export function rawSignature(der: Uint8Array, size: number): Uint8Array<ArrayBuffer> | undefined {
  const pair = elementAt(der, 0);
  if (pair?.tag !== SEQUENCE || pair.end !== der.length) return undefined;
  const r = elementAt(pair.contents, 0);
  const s = r && elementAt(pair.contents, r.end);
  if (r?.tag !== INTEGER || s?.tag !== INTEGER || s.end !== pair.contents.length) return undefined;
  const raw = new Uint8Array(2 * size);
  for (const [i, { contents }] of [r, s].entries()) {
    const isShortest = contents.length > 0 && !(contents.length > 1 && contents[0] === 0 && contents[1] < 0x80);
    const value = contents[0] === 0 ? contents.subarray(1) : contents;
    if (!isShortest || contents[0] >= 0x80 || value.length > size) return undefined;
    raw.set(value, (i + 1) * size - value.length);
  }
  return raw;
}

/** ECDSA signature from WebCrypto's r ‖ s to DER. */
export function derSignature(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = raw.length / 2;
  const integers = [raw.subarray(0, size), raw.subarray(size)].map((value) => {
    const first = value.findIndex((byte) => byte !== 0);
    const digits = first < 0 ? Uint8Array.of(0) : value.subarray(first);
    return digits[0] >= 0x80 ? element(INTEGER, Uint8Array.of(0), digits) : element(INTEGER, digits);
  });
  return element(SEQUENCE, ...integers);
}

const EC_PUBLIC_KEY = Uint8Array.of(0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01);

/** Private key from SEC1 (BEGIN EC PRIVATE KEY) to PKCS#8, which WebCrypto imports. Returns undefined if it names no curve. */
export function pkcs8FromSec1(sec1: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const key = elementAt(sec1, 0);
  if (key?.tag !== SEQUENCE) return undefined;
  for (let at = 0; at < key.contents.length; ) {
    const part = elementAt(key.contents, at);
    if (!part) return undefined;
    if (part.tag === PARAMETERS)
      return element(
        SEQUENCE,
        element(INTEGER, Uint8Array.of(0)),
        element(SEQUENCE, EC_PUBLIC_KEY, part.contents),
        element(OCTET_STRING, sec1),
      );
    at = part.end;
  }
  return undefined;
}

/** True if the bytes contain an object identifier, given as its DER element. */
export function includesBytes(bytes: Uint8Array, wanted: readonly number[]): boolean {
  for (let i = 0; i + wanted.length <= bytes.length; i++)
    if (wanted.every((byte, j) => bytes[i + j] === byte)) return true;
  return false;
}
