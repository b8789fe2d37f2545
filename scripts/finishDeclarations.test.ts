import { expect, it } from 'vitest';
import { finished } from './finishDeclarations.ts';

const given = `import { type A } from '#leaf/page/entry';
export interface Options {
    /** The URL of it. */
    readonly signal?: AbortSignal;
    readonly onProgress?: (done: number) => void;
    readonly seed?: number | undefined;
    readonly nested?: {
        readonly url?: string | URL;
    };
}
export declare class Model {
    run(values?: Int32Array<ArrayBuffer>): Promise<void>;
    [Symbol.dispose](): void;
}
`;

it('declarations hold for other compilers', () => {
  expect(finished(given, 'runtime/model.d.ts')).toBe(`/// <reference lib="esnext.disposable" />
import type { AbortSignal, URL } from '../core/platformTypes.js';
import { type A } from '../page/entry.node.js';
export interface Options {
    /** The URL of it. */
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((done: number) => void) | undefined;
    readonly seed?: number | undefined;
    readonly nested?: {
        readonly url?: string | URL | undefined;
    };
}
export declare class Model {
    run(values?: Int32Array): Promise<void>;
    [Symbol.dispose](): void;
}
`);
});

it('files that need nothing stay as they are', () => {
  expect(finished('export declare const a: number;\n', 'core/a.d.ts')).toBe('export declare const a: number;\n');
});
