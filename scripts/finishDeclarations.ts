/**
 * Makes the declarations that tsc wrote hold for strangers' compilers: TypeScript 5.4 and newer, with and without the DOM,
 * with and without @types/node, with exactOptionalPropertyTypes, and without skipLibCheck.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, posix, relative, sep } from 'node:path';

const PLATFORM = 'core/platformTypes';
const platformTypes = [
  'AbortSignal',
  'Blob',
  'Headers',
  'ReadableStream',
  'RequestCache',
  'Response',
  'URL',
  'WebAssemblyMemory',
  'WebAssemblyModule',
];

/** @param folder where dist is */
export function finishDeclarations(folder: string): void {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => file.split(sep).join('/'))
    .filter((file) => file.endsWith('.d.ts') && !file.startsWith(PLATFORM));
  for (const file of files) {
    const path = `${folder}/${file}`;
    writeFileSync(path, finished(readFileSync(path, 'utf8'), file));
  }
}

/** @param file below dist, such as 'runtime/model.d.ts' */
export function finished(text: string, file: string): string {
  const to = (target: string) => {
    const path = posix.join(relative(dirname(file), dirname(target)) || '.', posix.basename(target));
    return path.startsWith('.') ? path : `./${path}`;
  };
  const changed = text
    // `undefined` may be given for what may be left out
    .replace(/^(\s+(?:readonly )?\w+\?): (.*[^;{]);$/gm, (_, name, type) => `${name}: ${optional(type)};`)
    // typed arrays have had a parameter since TypeScript 5.7
    .replace(/\b((?:Int|Uint|Float|BigInt|BigUint)\d+(?:Clamped)?Array|DataView)<ArrayBuffer(?:Like)?>/g, '$1')
    .replace(/\bWebAssembly\.(Module|Memory)\b/g, 'WebAssembly$1')
    .replace(/(['"])#leaf\/([\w/]+)\1/g, (_, quote, leaf) => `${quote}${to(`${leaf}.node.js`)}${quote}`);
  const code = changed.replace(/\/\*[\s\S]*?\*\//g, '');
  const used = platformTypes.filter((name) => new RegExp(`(?<![.'"\\w-])${name}\\b`).test(code));
  const lines = [
    ...(/\[Symbol\.(?:asyncD|d)ispose\]/.test(code) ? ['/// <reference lib="esnext.disposable" />'] : []),
    ...(used.length > 0 ? [`import type { ${used.join(', ')} } from '${to(`${PLATFORM}.js`)}';`] : []),
  ];
  return [...lines, changed].join('\n');
}

function optional(type: string): string {
  if (/(?:^|\| )undefined$/.test(type) && !type.includes('=>')) return type;
  return type.includes('=>') || type.includes(' extends ') ? `(${type}) | undefined` : `${type} | undefined`;
}
