import { defineConfig } from 'vitest/config';

export default defineConfig({
  // 'espalier-source' resolves the #leaf/* platform leaves to src instead of dist
  resolve: { conditions: ['espalier-source'] },
  ssr: { resolve: { conditions: ['espalier-source', 'node'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
