import type { Destination } from './udp-sender.ts';

/** Who is behind which remote address; a look-up makes no string, because it happens for every datagram. */
export type AddressBook<Owner> = {
  find(address: string, port: number): Owner | undefined;
  /** Binds an address to an owner; an owner's oldest address is let go when it has more than eight. */
  bind(destination: Destination, owner: Owner): void;
  /** Lets go of all addresses of an owner. */
  release(owner: Owner): void;
};

const mostAddresses = 8;

/** An empty address book. */
export const createAddressBook = <Owner>(): AddressBook<Owner> => {
  const byPort = new Map<number, { address: string; owner: Owner }[]>();
  const byOwner = new Map<Owner, Destination[]>();
  const find = (address: string, port: number): Owner | undefined => {
    for (const entry of byPort.get(port) ?? []) if (entry.address === address) return entry.owner;
    return undefined;
  };
  const unbind = ({ address, port }: Destination, owner: Owner) => {
    const rest = (byPort.get(port) ?? []).filter((entry) => entry.address !== address || entry.owner !== owner);
    if (rest.length > 0) byPort.set(port, rest);
    else byPort.delete(port);
  };
  return {
    find,
    bind: (destination, owner) => {
      const { address, port } = destination;
      const before = find(address, port);
      if (before === owner) return;
      if (before !== undefined) unbind(destination, before);
      byPort.set(port, [...(byPort.get(port) ?? []), { address, owner }]);
      const addresses = [...(byOwner.get(owner) ?? []), destination];
      const oldest = addresses.length > mostAddresses ? addresses.shift() : undefined;
      if (oldest !== undefined) unbind(oldest, owner);
      byOwner.set(owner, addresses);
    },
    release: (owner) => {
      for (const destination of byOwner.get(owner) ?? []) unbind(destination, owner);
      byOwner.delete(owner);
    },
  };
};
