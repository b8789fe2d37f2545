/** Base64, hexadecimal and PEM, which keys and signatures are written in. */
import { TrustError } from './trustError.ts';

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

/** Decodes standard and URL-safe base64. Returns undefined for anything else. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[\w+/-]*={0,2}$/.test(text)) return undefined;
  try {
    const decoded = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    // Uint8Array.from would make a list of all characters first
    const bytes = new Uint8Array(decoded.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = decoded.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Returns undefined for odd lengths and other characters. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

const PEM_COLUMNS = 64;

/** @param label such as 'PUBLIC KEY' */
export function toPem(label: string, der: Uint8Array): string {
  const lines = toBase64(der).match(new RegExp(`.{1,${PEM_COLUMNS}}`, 'g')) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

export interface Pem {
  readonly label: string;
  readonly der: Uint8Array<ArrayBuffer>;
}

/**
 * Reads the first key of a PEM text.
 * @param where file name for errors
 * @throws {TrustError} BAD_KEY
 */
export function fromPem(text: string, where: string): Pem {
  const blocks = text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g);
  for (const [, label, body] of blocks) {
    // `openssl ecparam -genkey` writes the curve before the key
    if (label === 'EC PARAMETERS') continue;
    if (/ENCRYPTED/.test(label) || /ENCRYPTED/.test(body)) {
      const advice = `decrypt it first: openssl pkey -in KEY -out DECRYPTED`;
      throw new TrustError('BAD_KEY', `${where}: the key is encrypted with a password; ${advice}`, { where });
    }
    const der = fromBase64(body.replace(/\s+/g, ''));
    if (der) return { label: label, der };
  }
  throw new TrustError('BAD_KEY', `${where}: is not a key in PEM form (-----BEGIN PUBLIC KEY-----)`, { where });
}
