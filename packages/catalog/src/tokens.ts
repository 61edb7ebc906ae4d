/** The join tokens of nodes. Of a token only its hash is kept; one is live until it expires or is revoked. */
import { and, asc, desc, eq, isNull } from 'drizzle-orm';
import type { Database, Queries } from './database.ts';
import type { Tables } from './schema.ts';

/** A join token as the index has it, without the token. Times in wall milliseconds. */
export type JoinToken = Tables['tokens']['$inferSelect'];

type TokenDeps = { database: Database; now: () => number };

/** True while the token may be used. */
export const isLiveToken = (token: Pick<JoinToken, 'expires_ms' | 'revoked_ms'>, nowMs: number): boolean =>
  token.revoked_ms === null && (token.expires_ms === null || token.expires_ms > nowMs);

/**
 * Adds a token unless its alias has a live one, which is answered; with `replace` that one is revoked in the same
 * transaction.
 */
export const addToken =
  ({ database, now }: TokenDeps) =>
  (token: Omit<JoinToken, 'created_ms' | 'revoked_ms'>, replace: boolean): Promise<JoinToken | null> => {
    const { tokens: t } = database.tables;
    return database.write(async (tx) => {
      const nowMs = now();
      const known = await tx
        .select()
        .from(t)
        .where(and(eq(t.alias, token.alias), isNull(t.revoked_ms)));
      const live = known.find((one) => isLiveToken(one, nowMs));
      if (live !== undefined && !replace) return live;
      if (live !== undefined) await tx.update(t).set({ revoked_ms: nowMs }).where(eq(t.id, live.id));
      await tx.insert(t).values({ ...token, created_ms: nowMs, revoked_ms: null });
      return null;
    });
  };

/** All tokens that were ever made, by alias and age. */
export const listTokens = (database: Database) => (): Promise<JoinToken[]> => {
  const { tokens: t } = database.tables;
  return database.read((queries) => queries.select().from(t).orderBy(asc(t.alias), asc(t.created_ms), asc(t.id)));
};

/** The token with this hash (hex), live or not; null if there is none. */
export const tokenOfHash =
  (database: Database) =>
  async (sha256: string): Promise<JoinToken | null> => {
    const { tokens: t } = database.tables;
    const [row] = await database.read((queries) => queries.select().from(t).where(eq(t.sha256, sha256)));
    return row ?? null;
  };

/**
 * The stream patterns of a node: those that the configuration names, else that of the newest token of its alias, live or
 * not, for what it recorded under it may come late; else all.
 */
export const patternsOf = async (
  queries: Queries,
  { tokens: t }: Pick<Tables, 'tokens'>,
  alias: string,
  configured: readonly string[],
): Promise<readonly string[]> => {
  if (!configured.includes('*')) return configured;
  const newest = queries.select({ streams: t.streams }).from(t).where(eq(t.alias, alias));
  const [token] = await newest.orderBy(desc(t.created_ms)).limit(1);
  return token === undefined ? configured : [token.streams];
};

/** Ends a token's life; says when it was over already, or there is none of the id. */
export const revokeToken =
  ({ database, now }: TokenDeps) =>
  (id: string): Promise<'revoked' | 'already' | 'unknown'> => {
    const { tokens: t } = database.tables;
    return database.write(async (tx) => {
      const [row] = await tx.select().from(t).where(eq(t.id, id));
      if (row === undefined) return 'unknown';
      if (row.revoked_ms !== null) return 'already';
      await tx.update(t).set({ revoked_ms: now() }).where(eq(t.id, id));
      return 'revoked';
    });
  };
