export { FIRST_CONFIG, writeFirstConfig } from './config-file.ts';
export { readVersion } from './version.ts';
