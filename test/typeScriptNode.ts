/**
 * The Node that runs TypeScript files in processes of their own: the one that vitest was started with. Development needs a
 * newer Node than the package does, which may be tested with a lower one (vitest.config.ts).
 */
export const typeScriptNode = process.env.ESPALIER_TYPESCRIPT_NODE ?? process.execPath;
