import { weirConfig } from '@weir/contracts';
import { readCommandLine, readWeirConfig, redactConfig } from '@weir/runtime';

/** Checks `weir.toml`, environment and flags; prints the configuration in force as JSON, secrets hidden. */
export const checkConfig = (args: readonly string[]): void => {
  const config = readWeirConfig(readCommandLine(args), (line) => process.stderr.write(`weir: ${line}\n`));
  process.stdout.write(`${JSON.stringify(redactConfig(weirConfig, config), null, 2)}\n`);
};
