import { test } from 'vitest';
import { surviveKills } from './recorder-kills.ts';

// The long one, 20 kills in two minutes, is `npm run test:faults`.
test('a recorder killed five times in half a minute: every frame once, in one recording without a gap', () =>
  surviveKills({ kills: 5, seconds: 30, seed: 4 }));
