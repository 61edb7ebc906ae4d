import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { referencePages } from './reference-docs.ts';

const docs = new URL('../../../docs/', import.meta.url);

test.each(Object.keys(referencePages()))('docs/%s says what the code does (npm run docs writes it)', (name) => {
  expect(readFileSync(new URL(name, docs), 'utf8')).toBe(referencePages()[name]);
});
