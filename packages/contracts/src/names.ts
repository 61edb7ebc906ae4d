/** A stream's name: also a directory and an object key's first component, hence no slash and no leading dot. */
export const STREAM_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** A node's alias, unique in the cluster; the same alphabet as a stream's name. */
export const ALIAS = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** True for a name that anybody may publish. */
export const isStreamName = (name: string): boolean => STREAM_NAME.test(name);

/** The name under which a gateway cascades a stream of another node: `<stream>@<alias>`; each half checked on its own. */
export const encodeCascadeName = (stream: string, alias: string): string => `${stream}@${alias}`;

/** Splits `<stream>@<alias>`; null when it is not of that form. */
export const decodeCascadeName = (name: string): { stream: string; alias: string } | null => {
  const at = name.indexOf('@');
  if (at < 0) return null;
  const stream = name.slice(0, at);
  const alias = name.slice(at + 1);
  return STREAM_NAME.test(stream) && ALIAS.test(alias) ? { stream, alias } : null;
};

/**
 * A relative path in spool, bucket and URLs: components of visible ASCII without `/`, none empty, `.` or `..`,
 * at most 512 characters and 16 components of at most 255, which is what file systems take. Returns what is wrong with it, or null when it is sound.
 */
export const pathFault = (path: string): string | null => {
  if (path.length === 0 || path.length > 512) return 'must have 1 to 512 characters';
  if (!/^[\x21-\x7e]+$/.test(path) || path.includes('\\')) return 'must be visible ASCII without spaces or backslashes';
  const components = path.split('/');
  if (components.length > 16) return 'must have at most 16 components';
  if (components.some((c) => c === '')) return 'must not begin or end with a slash or have an empty component';
  if (components.some((c) => c.length > 255)) return 'must not have a component of more than 255 characters';
  if (components.some((c) => c.startsWith('.'))) return 'must not have a component that begins with a dot';
  return null;
};

/**
 * What is wrong with a `base_dir`, or null: it must be sound with the directory of a rotation and a file's name behind
 * it too, or what was recorded could not be read again, and be a part of URLs as it stands.
 */
export const baseDirFault = (baseDir: string): string | null => {
  if (/[%?#]/.test(baseDir)) return 'must not have %, ? or #, which mean something else in a URL';
  const longest = `${baseDir}/1762842203/v_seg_0000000001.m4s`;
  return pathFault(baseDir) ?? (pathFault(longest) === null ? null : 'must have at most 480 characters, 14 components');
};

/** True when a name matches one of the patterns of `auto_streams` or of a node: `*` any run of characters, `?` any one. */
export const matchesPattern = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) => matchesOne(pattern, name));

// Not a regular expression: with several stars those try every way to divide a name, and a name may be a kilobyte long.
const matchesOne = (pattern: string, name: string): boolean => {
  let at = 0;
  let next = 0;
  /** The last star, and where what follows it was tried; only the last one needs to be tried elsewhere. */
  let star: { behind: number; tried: number } | null = null;
  while (next < name.length) {
    const wanted = pattern[at];
    if (wanted === '*') {
      star = { behind: ++at, tried: next };
    } else if (wanted === '?' || wanted === name[next]) {
      at++;
      next++;
    } else if (star !== null) {
      at = star.behind;
      next = ++star.tried;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(at));
};
