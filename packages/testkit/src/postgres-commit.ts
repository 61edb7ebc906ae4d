/** Tells when what a client of PostgreSQL sends over one connection carries a COMMIT, prepared before or not. */
export const commitWatch = (): ((bytes: Buffer) => boolean) => {
  let prepared = '';
  return (bytes) => {
    const text = bytes.toString('latin1');
    // Parse: its length, the statement's name, the query; a later Bind tells the name alone.
    const parsed = /P[\s\S]{4}([^\0]*)\0commit\0/i.exec(text);
    prepared = parsed?.[1] ?? prepared;
    return (
      parsed !== null || /^Q[\s\S]{4}commit\0/i.test(text) || (prepared !== '' && text.includes(`\0${prepared}\0`))
    );
  };
};
