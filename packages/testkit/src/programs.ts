import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The one place where a test asks for a program of the machine: its name, and the package of Debian that brings it. */
const packages = {
  ffmpeg: 'ffmpeg',
  ffprobe: 'ffmpeg',
  chromium: 'chromium',
  mosquitto: 'mosquitto',
  mosquitto_passwd: 'mosquitto',
  initdb: 'postgresql',
  postgres: 'postgresql',
  psql: 'postgresql',
  curl: 'curl',
  openssl: 'openssl',
  'nats-server': 'nats-server',
  xmllint: 'libxml2-utils',
  setpriv: 'util-linux',
  taskset: 'util-linux',
  ps: 'procps',
} as const;

export type Program = keyof typeof packages;

const postgresRoot = '/usr/lib/postgresql';

/** Debian keeps the server's programs out of the path, one directory for each version; the newest first. */
const postgresDirectories = (): string[] => {
  try {
    const versions = readdirSync(postgresRoot).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(postgresRoot, version, 'bin'));
  } catch {
    return [];
  }
};

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

// Where Debian's browser is not, another build of it serves as well.
const otherNames: Partial<Record<Program, readonly string[]>> = { chromium: ['google-chrome', 'google-chrome-stable'] };

/** The path of one of these names, `undefined` when the machine has none. */
export const onPath = (...names: readonly string[]): string | undefined => {
  const inPath = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  const directories = [...inPath, ...postgresDirectories(), '/usr/local/bin', '/usr/bin', '/usr/sbin', '/sbin'];
  return names.flatMap((name) => directories.map((directory) => join(directory, name))).find(isExecutable);
};

/** The path of a program, `undefined` when the machine has none. */
export const findProgram = (program: Program): string | undefined => onPath(program, ...(otherNames[program] ?? []));

/** What the machine does not have of all that tests ask for. */
export const missingPrograms = (find = findProgram): { program: string; package: string }[] =>
  Object.entries(packages)
    .filter(([program]) => find(program as Program) === undefined)
    .map(([program, name]) => ({ program, package: name }));

/** The path of a program; throws an error that names what is missing and how to get it. */
export const requireProgram = (program: Program): string => {
  const path = findProgram(program);
  if (path !== undefined) return path;
  throw new Error(
    `the program "${program}" is missing and this test needs it; on Debian or Ubuntu: apt-get install -y ${packages[program]}`,
  );
};
