import { encodePublicKey, openSecrets, readCommandLine, readWeirConfig } from '@weir/runtime';

/** Prints the gateway's public key, which a site has in `[auth] gateway_public_key`. */
export const printPublicKey = async (args: readonly string[]): Promise<void> => {
  const line = readCommandLine(args);
  const { gatewayPublicKey } = await openSecrets(readWeirConfig(line), line.profile);
  process.stdout.write(`${encodePublicKey(gatewayPublicKey)}\n`);
};
