import type { SessionAcks, SyncSessionInfo } from '@weir/contracts';
import { boundedMap } from './bounded-map.ts';

// Ten of the longest pages. What is forgotten is not acknowledged, and so listed again.
const MOST_LISTINGS = 10_000;

/** Which version of a recording each client was told last. */
export type SessionListings = {
  note(client: string, sessions: readonly SyncSessionInfo[]): void;
  /** Gives each acknowledgement that names no version the one that the client was told; leaves out what it never was. */
  versionsOf(client: string, acks: SessionAcks): SessionAcks;
};

const keyOf = (client: string, { stream, record }: { stream: string; record: string | number }): string =>
  JSON.stringify([client, stream, Number(record)]);

/** Keeps in memory what clients were told: an acknowledgement must not cover a change that came after the listing. */
export const sessionListings = (): SessionListings => {
  const listed = boundedMap<string, number>(MOST_LISTINGS);
  return {
    note: (client, sessions) => {
      for (const session of sessions) listed.set(keyOf(client, session), session.ts);
    },
    versionsOf: (client, { records }) => ({
      records: records.flatMap((one) => {
        const ts = one.ts ?? listed.get(keyOf(client, one));
        return ts === undefined ? [] : [{ ...one, ts }];
      }),
    }),
  };
};
