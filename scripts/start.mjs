// `npm start`: set-up, then `weir up`. Arguments after `--` go to `weir up`.
import { join } from 'node:path';
import { become, bin, root, setUp } from './setup.mjs';

setUp();
become(bin('node'), [join(root, 'packages/cli/src/main.ts'), 'up', ...process.argv.slice(2)]);
