/** A URL or any text that has one, without user name and password, fit for logs and messages. */
export const redactUrl = (text: string): string => text.replace(/(\w+:\/\/)[^/?#\s]*@/g, '$1***@');

/** Splits `address:port` (`[::1]:80`, `0.0.0.0:7777`); null if it is not of that form. */
export const parseAddress = (text: string): { address: string; port: number } | null => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return null;
  return { address: match[1] ?? match[2] ?? '', port };
};

/** Joins an address and a port, IPv6 in brackets. */
export const formatAddress = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
