/** What `weir help` says of `weir net`; apart, so that help loads nothing else. */
export const netUsage =
  'agent | local-port | local-socks  --broker URL [-v | -vv]  [--alias NAME --allow HOST:PORT … --target HOST:PORT --key KEY]  [--listen ADDRESS:PORT --agent ALIAS --target HOST:PORT --udp --data-dir DIR]  [--domain DOMAIN --user NAME --password-file FILE]  [--plain] [--name NAME] [--config FILE] [--section.key=value …]';
