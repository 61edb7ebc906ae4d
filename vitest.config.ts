import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'services/*/src/**/*.test.ts',
            'test-fuzz/**/*.test.ts',
            'test-nemesis/*.test.ts',
          ],
          // Each waits for programs and disks as much as it computes: on two cores one fewer would leave half of them idle.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test-e2e/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          // Against a real S3 server, which not every machine has: not part of `npm test`.
          name: 's3',
          include: ['packages/bucket/src/bucket.test.ts', 'services/uploader/src/s3-peer.test.ts'],
          env: { S3_PEER: 'swift' },
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          // Minutes long, at random moments: not part of `npm test`.
          name: 'faults',
          include: ['test-e2e/faults/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
