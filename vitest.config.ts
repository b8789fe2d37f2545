import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Vite needs a newer Node than the package does. Test files run in processes of their own, which ESPALIER_NODE names another
// Node for, such as the lowest of package.json's engines.
const typeScriptNode = process.execPath;
process.execPath = process.env.ESPALIER_NODE ?? process.execPath;

export default defineConfig({
  // 'espalier-source' resolves the #leaf/* platform leaves to src instead of dist
  resolve: { conditions: ['espalier-source'] },
  ssr: { resolve: { conditions: ['espalier-source', 'node'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/*.test.ts'],
    // what is kept of the device and downloads is not the user's
    env: { ESPALIER_CACHE: join(tmpdir(), 'espalier-tests'), ESPALIER_TYPESCRIPT_NODE: typeScriptNode },
    setupFiles: ['test/setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
