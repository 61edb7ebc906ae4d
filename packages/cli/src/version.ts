import { readFileSync } from 'node:fs';

/** The version of this checkout. */
export const readVersion = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
};

/** Prints the version and the Node that runs it. */
export const printVersion = (): void => {
  process.stdout.write(`weir ${readVersion()} (node ${process.versions.node})\n`);
};
