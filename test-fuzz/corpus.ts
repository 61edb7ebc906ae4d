/** Inputs that once were a fault, kept: one file each, named for the fault. */
import { readdirSync, readFileSync } from 'node:fs';

/** One kept input; `text` where it reads as one, else `hex`. */
export type Kept = { name: string; parser: string; why: string; input: Uint8Array };

const folder = new URL('./corpus/', import.meta.url);

type File = { parser: string; why: string; text?: string; hex?: string };

/** All of them. */
export const corpus = (): Kept[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => {
      const { parser, why, text, hex = '' } = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as File;
      const input = Uint8Array.from(text === undefined ? Buffer.from(hex, 'hex') : Buffer.from(text));
      return { name, parser, why, input };
    });
