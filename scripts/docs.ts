// `npm run docs`: writes the reference pages from the tables in the code.
import { writeFileSync } from 'node:fs';
import { referencePages } from '../packages/cli/src/reference-docs.ts';

for (const [name, text] of Object.entries(referencePages())) {
  writeFileSync(new URL(`../docs/${name}`, import.meta.url), text);
  console.log(`docs/${name}`);
}
