// Asked by scripts/test.mjs: prints which programs of other makers the tests need and the machine has not.
import { missingPrograms } from '../packages/testkit/src/programs.ts';

console.log(JSON.stringify(missingPrograms()));
