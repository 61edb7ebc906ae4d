#!/usr/bin/env node
import { oneLine } from '@weir/runtime';
import { commands } from './commands.ts';

const [name = 'help', ...args] = process.argv.slice(2);
const asked = name === '--help' || name === '-h' ? 'help' : name;
const command = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
if (command === undefined) {
  process.stderr.write(`weir: ${name}: no such command; weir help lists them\n`);
  process.exitCode = 1;
} else {
  try {
    await command.run(args);
  } catch (error) {
    process.stderr.write(`weir ${name}: ${oneLine(error)}\n`);
    process.exitCode = 1;
  }
}
