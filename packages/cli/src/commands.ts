import { netUsage } from './net/usage.ts';

/** What `weir` can do. Each command is loaded when it is asked for, so that `weir help` needs no service. */
type Command = { summary: string; usage: string; run: (args: string[]) => Promise<void> };

const service = (entry: string, summary: string): Command => ({
  summary,
  usage: '[--config FILE] [--section.key=value …]',
  // The service's own main file reads the flags.
  run: async (args) => {
    process.argv.splice(2, process.argv.length, ...args);
    await import(entry);
  },
});

const help = async (): Promise<void> => {
  const names = Object.keys(commands);
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) => `  ${name.padEnd(width)}  ${commands[name]?.summary}`);
  const usage = names
    .filter((name) => commands[name]?.usage !== '')
    .map((name) => `  weir ${name} ${commands[name]?.usage}`);
  process.stdout.write(
    `Weir: live video, recorded without losing a second.\n\n${lines.join('\n')}\n\n${usage.join('\n')}\n`,
  );
};

/** The commands by name, in the order in which help lists them. */
export const commands: Record<string, Command> = {
  up: {
    summary: 'run everything on this machine: node, recorder, uploader, indexer, gateway, broker',
    usage: '[--config FILE] [--section.key=value …]',
    run: async (args) => (await import('./up.ts')).up(args),
  },
  site: {
    summary: 'run a site: node, recorder, uploader; --join takes the line that weir token node printed',
    usage: '[--join LINE | --join -] [--config FILE] [--section.key=value …]',
    run: async (args) => (await import('./site/site.ts')).site(args),
  },
  token: {
    summary: 'make the line by which a site joins, list and revoke what was made',
    usage:
      "node --alias NAME [--streams 'NAME-*'] [--expires 30d] [--broker URL] [--gateway URL] [--ca FILE] [--password-file FILE] [--replace] | list | revoke ID  [--config FILE] [--profile up]",
    run: async (args) => (await import('./token/token.ts')).token(args),
  },
  publish: {
    summary: 'send a file or a test pattern to a stream by WHIP',
    usage:
      'FILE | --test-pattern  [--stream NAME] [--url URL] [--token-file FILE] [--data-dir DIR] [--duration SECONDS] [--codec h264|h265|vp9|av1|vp8] [--size WIDTHxHEIGHT] [--no-audio]',
    run: async (args) => (await import('./publish.ts')).publish(args),
  },
  'edge-node': service('@weir/edge-node/main', 'run the edge node alone: WHIP, WHEP, tap'),
  'recorder-worker': service('@weir/recorder-worker/main', 'run a recorder alone'),
  uploader: service('@weir/uploader/main', 'run an uploader alone'),
  indexer: service('@weir/indexer/main', 'run the indexer alone'),
  gateway: service('@weir/gateway/main', 'run the gateway alone: API, playback, page'),
  verify: {
    summary: 'hold recordings in the bucket against the index: every byte, hash and link of the chain',
    usage: '<stream>/<record> | --all  [--config FILE] [--profile up]',
    run: async (args) => (await import('./verify/verify.ts')).verify(args),
  },
  reindex: {
    summary: 'build the index anew from the bucket alone, then let every spool send its rows again',
    usage: '[--empty] [--config FILE] [--profile up]',
    run: async (args) => (await import('./reindex/reindex.ts')).reindex(args),
  },
  spool: {
    summary:
      'list the spools that the index knows, declare one lost; at a site, list what was refused and have it put again',
    usage: 'list | lost SPOOL | found SPOOL | refused | retry DIR | retry --all  [--config FILE] [--profile up]',
    run: async (args) => (await import('./spool/spool.ts')).spool(args),
  },
  net: {
    summary:
      'reach TCP and UDP behind NAT through an MQTT broker alone: the agent there, a port or a SOCKS5 proxy here',
    usage: netUsage,
    run: async (args) => (await import('./net/net.ts')).net(args),
  },
  'hash-password': {
    summary: 'read a password from standard input and print its argon2id hash for weir.toml',
    usage: '< FILE',
    run: async () => (await import('./password-hash.ts')).printPasswordHash(),
  },
  'public-key': {
    summary: "print the gateway's public key, which sites are configured with",
    usage: '[--config FILE]',
    run: async (args) => (await import('./public-key.ts')).printPublicKey(args),
  },
  'config-check': {
    summary: 'check the configuration and print what is in force, without its secrets',
    usage: '[--config FILE] [--profile up]',
    run: async (args) => (await import('./config-check.ts')).checkConfig(args),
  },
  version: { summary: 'print the version', usage: '', run: async () => (await import('./version.ts')).printVersion() },
  help: { summary: 'print this', usage: '', run: help },
};
