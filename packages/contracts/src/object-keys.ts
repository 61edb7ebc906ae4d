/** The two tracks a segment may have; the letter begins its file names. */
export type TrackKind = 'video' | 'audio';

/** One object of a recording, in the spool's directory and in the bucket alike. */
export type ObjectName =
  | { kind: 'manifest' }
  | { kind: 'record' }
  | { kind: 'init'; track: TrackKind; period: number }
  | { kind: 'segment'; track: TrackKind; number: number };

const letter = (track: TrackKind): string => (track === 'video' ? 'v' : 'a');

/** The file name of an object in its recording's directory; periods and numbers count from 1, four digits are the least. */
export const encodeObjectName = (name: ObjectName): string => {
  switch (name.kind) {
    case 'manifest':
      return 'manifest.mpd';
    case 'record':
      return 'record.json';
    case 'init':
      return `${letter(name.track)}_init${name.period === 1 ? '' : `_${name.period}`}.m4s`;
    case 'segment':
      return `${letter(name.track)}_seg_${String(name.number).padStart(4, '0')}.m4s`;
  }
};

/** Reverses {@link encodeObjectName}; null for any other file name. */
export const decodeObjectName = (text: string): ObjectName | null => {
  if (text === 'manifest.mpd') return { kind: 'manifest' };
  if (text === 'record.json') return { kind: 'record' };
  const match = /^([va])_(?:init(?:_([1-9]\d{0,8}))?|seg_(\d{4,10}))\.m4s$/.exec(text);
  if (match === null) return null;
  const track = match[1] === 'v' ? 'video' : 'audio';
  const name: ObjectName =
    match[3] === undefined
      ? { kind: 'init', track, period: Number(match[2] ?? 1) }
      : { kind: 'segment', track, number: Number(match[3]) };
  return encodeObjectName(name) === text ? name : null;
};

/** An object's key in the bucket, relative to its root and without a leading slash. */
export const encodeKey = (recordDir: string, name: ObjectName): string => `${recordDir}/${encodeObjectName(name)}`;

/** Splits a key into directory and object; null when the last component is none of ours. */
export const decodeKey = (key: string): { recordDir: string; name: ObjectName } | null => {
  const slash = key.lastIndexOf('/');
  const name = decodeObjectName(key.slice(slash + 1));
  return slash > 0 && name !== null ? { recordDir: key.slice(0, slash), name } : null;
};

/** The media type under which an object is put and served. */
export const mediaType = (name: ObjectName): string => {
  switch (name.kind) {
    case 'manifest':
      return 'application/dash+xml';
    case 'record':
      return 'application/json';
    case 'init':
    case 'segment':
      return name.track === 'video' ? 'video/mp4' : 'audio/mp4';
  }
};

/** The ten digits a directory ends in, else the empty string: the seed's `record_id`. */
export const recordIdOf = (recordDir: string): string => /(?:^|\D)(\d{10})$/.exec(recordDir)?.[1] ?? '';

/** The manifest's path of a directory. */
export const mpdPathOf = (recordDir: string): string => encodeKey(recordDir, { kind: 'manifest' });
