/** True of a segment that waits at the site. */
export const isPending = ({ remote, local }: { remote: string; local: string }): boolean =>
  remote === 'none' && local !== 'gone';
