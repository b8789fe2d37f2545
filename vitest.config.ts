import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // 'espalier-source' resolves the #leaf/* platform leaves to src instead of dist
  resolve: { conditions: ['espalier-source'] },
  ssr: { resolve: { conditions: ['espalier-source', 'node'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/*.test.ts'],
    // what is kept of the device and downloads is not the user's
    env: { ESPALIER_CACHE: join(tmpdir(), 'espalier-tests') },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
