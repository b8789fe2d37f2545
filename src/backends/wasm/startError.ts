/** Explains why the kernels cannot be compiled, from the first error and the features that the engine lacks. */
import { runtimeProblem } from '#leaf/backends/wasm/threads';
import { StartError } from '../../core/errors.ts';

/** (func (drop (v128.const 0))): only valid with SIMD. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 23, 1, 21, 0, 253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 26, 11,
]);
/** A module with a shared memory of one page: only valid with threads. */
const THREADS_PROBE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 4, 1, 3, 1, 1]);

/** Matches the errors of engines: "Content Security Policy" (Chromium), "blocked by CSP" (Firefox), "unsafe-eval" (WebKit), workerd. */
const FORBIDDEN = /content.security.policy|\bCSP\b|unsafe-eval|disallowed by embedder/i;

/** @param cause first error of compiling a variant of the kernels */
export function startError(cause: unknown): StartError {
  const said = cause instanceof Error ? cause.message : String(cause);
  const missing = missingFeatures();
  const options = { cause };
  if (FORBIDDEN.test(said)) {
    const problem =
      "this page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src directive";
    return new StartError(problem, { reason: 'content-security-policy', missing }, options);
  }
  const runtime = runtimeProblem();
  if (runtime) return new StartError(runtime, { reason: 'old-runtime', missing }, options);
  if (missing.length > 0) {
    const problem = `this JavaScript engine lacks ${missing.join(' and ')}: update the browser or the runtime`;
    return new StartError(problem, { reason: 'missing-features', missing }, options);
  }
  return new StartError(`the WebAssembly kernels cannot be compiled: ${said}`, { reason: 'other', missing }, options);
}

function missingFeatures(): string[] {
  if (typeof WebAssembly === 'undefined') return ['WebAssembly'];
  const valid = (module: Uint8Array<ArrayBuffer>) => WebAssembly.validate(module);
  return [
    ...(valid(SIMD_PROBE) ? [] : ['WebAssembly SIMD']),
    ...(valid(THREADS_PROBE) ? [] : ['WebAssembly shared memory']),
  ];
}
