import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';

/** The file operations of a recording: the seam at which a test makes a disk fail. */
export type Disk = {
  /** Opens a file, `wx+` for a new one and `r+` for one that is there. */
  open(path: string, flags: 'wx+' | 'r+'): Promise<DiskFile>;
  /** At most so many bytes of a file; fewer at its end, none behind it. */
  read(path: string, position: number, bytes: number): Promise<Uint8Array>;
  /** Gives a file another name, over one that has it. */
  rename(from: string, to: string): Promise<void>;
  /** Syncs a directory's entries. */
  syncDirectory(path: string): Promise<void>;
  /** Removes a file; one that is not there is no error. */
  remove(path: string): Promise<void>;
};

/** An open file; positions are the caller's. */
export type DiskFile = {
  write(pieces: readonly Uint8Array[], position: number): Promise<void>;
  /** Makes what was written durable (fdatasync). */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
};

const MAX_PIECES = 512;

const writeAll = async (handle: FileHandle, pieces: readonly Uint8Array[], position: number): Promise<void> => {
  let at = position;
  for (let from = 0; from < pieces.length; from += MAX_PIECES) {
    const some = pieces.slice(from, from + MAX_PIECES);
    const wanted = some.reduce((sum, { length }) => sum + length, 0);
    const { bytesWritten } = await handle.writev(some, at);
    at += bytesWritten;
    if (bytesWritten === wanted) continue;
    // A short write is a disk that just got full, or a signal; the rest tells which.
    const rest = Buffer.concat(some).subarray(bytesWritten);
    for (let done = 0; done < rest.length; ) {
      const { bytesWritten: more } = await handle.write(rest, done, rest.length - done, at);
      done += more;
      at += more;
    }
  }
};

/** The disk of this machine. */
export const systemDisk: Disk = {
  open: async (path, flags) => {
    const handle = await open(path, flags, 0o644);
    return {
      write: (pieces, position) => writeAll(handle, pieces, position),
      sync: () => handle.datasync(),
      truncate: (bytes) => handle.truncate(bytes),
      close: () => handle.close(),
    };
  },
  read: async (path, position, bytes) => {
    const handle = await open(path, 'r');
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(bytes), 0, bytes, position);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  },
  rename: (from, to) => rename(from, to),
  syncDirectory: async (path) => {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  remove: (path) => rm(path, { force: true }),
};

/** A segment file being written: appended to, hashed as it grows. */
export type SegmentFile = {
  readonly bytes: number;
  append(pieces: readonly Uint8Array[]): Promise<void>;
  sync(): Promise<void>;
  /** SHA-256 of all its bytes so far, in hex. */
  sha256(): string;
  close(): Promise<void>;
  /**
   * Closes it after a failure. What a failed sync was to make durable is cut off: the kernel reports such a failure
   * once, and then shows bytes that the disk does not have.
   */
  abandon(): Promise<void>;
};

const segmentFile = (file: DiskFile, before: Uint8Array): SegmentFile => {
  const hash = createHash('sha256').update(before);
  let bytes = before.length;
  let synced = bytes;
  let isTrusted = true;
  return {
    get bytes() {
      return bytes;
    },
    append: async (pieces) => {
      await file.write(pieces, bytes);
      for (const piece of pieces) {
        hash.update(piece);
        bytes += piece.length;
      }
    },
    sync: async () => {
      isTrusted = false;
      await file.sync();
      isTrusted = true;
      synced = bytes;
    },
    sha256: () => hash.copy().digest('hex'),
    close: () => file.close(),
    abandon: async () => {
      if (!isTrusted) await file.truncate(synced).catch(() => undefined);
      await file.close();
    },
  };
};

/** What a file could not be prepared for is closed again: a handle that nobody has ends the process when it is collected. */
const orClosed = async <T>(file: DiskFile, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
};

/** Creates a segment file that begins with `head`, its chain box; its name is not durable yet. */
export const createSegmentFile = async (disk: Disk, path: string, head: Uint8Array): Promise<SegmentFile> => {
  const file = await disk.open(path, 'wx+');
  return orClosed(file, async () => {
    const segment = segmentFile(file, new Uint8Array(0));
    await segment.append([head]);
    return segment;
  });
};

/**
 * Opens a segment file to go on behind `whole`, its bytes up to the last whole part; what follows is cut off. They are
 * written once more: what was read may be pages whose sync failed, which are readable and will never reach the disk.
 */
export const reopenSegmentFile = async (disk: Disk, path: string, whole: Uint8Array): Promise<SegmentFile> => {
  const file = await disk.open(path, 'r+');
  return orClosed(file, async () => {
    await file.write([whole], 0);
    await file.truncate(whole.length);
    await file.sync();
    return segmentFile(file, whole);
  });
};
