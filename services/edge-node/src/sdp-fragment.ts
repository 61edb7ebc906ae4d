const MOST_LINES = 1_024;
const LINES = [
  /^a=ice-(ufrag|pwd):[A-Za-z0-9+/=_-]{4,256}$/,
  /^a=ice-options:\S.*$/,
  /^a=ice-lite$/,
  /^a=group:BUNDLE( \S+)*$/,
  /^a=mid:\S+$/,
  /^a=candidate:\S+ \d+ \S+ \d+ \S+ \d+ typ \S+.*$/,
  /^a=end-of-candidates$/,
  /^m=\S+ \d+ \S+ \S.*$/,
  /^c=.*$/,
  /^a=[A-Za-z0-9-]+(:.*)?$/,
];

/** True for a well-formed `application/trickle-ice-sdpfrag` (RFC 8840 §9): attribute lines and m-lines that name candidates. */
export const isSdpFragment = (text: string): boolean => {
  const lines = text.split(/\r\n|\n/).filter((line) => line !== '');
  if (lines.length === 0 || lines.length > MOST_LINES) return false;
  const known = new Set(['ice-ufrag', 'ice-pwd', 'ice-options', 'ice-lite', 'group', 'mid', 'candidate']);
  return lines.every((line) => {
    const attribute = /^a=([A-Za-z0-9-]+)/.exec(line)?.[1];
    const isKnown = attribute !== undefined && known.has(attribute);
    return LINES.some((pattern, index) => (isKnown && index === LINES.length - 1 ? false : pattern.test(line)));
  });
};

/** The first ICE user fragment that an offer or a fragment names (RFC 8839 §5.4); null when it names none. */
export const iceUfragOf = (text: string): string | null => /^a=ice-ufrag:(\S+)/m.exec(text)?.[1] ?? null;
