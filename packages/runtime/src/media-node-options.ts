/**
 * Options of Node.js for the processes that media go through. Their heaps are small, but the bytes that pass are many,
 * and V8 counts them: it marks the heap every few seconds, and with helper threads, which wake each other for a few
 * milliseconds of work, that takes more of the machine than the media do.
 */
export const mediaNodeOptions: readonly string[] = ['--single-threaded-gc'];

/**
 * Those of the recorder. Most of its heap stays, so it is marked anew only once it has doubled, and then at once: a pause
 * of some ten milliseconds, for which the ring holds what comes, costs less than hundreds of steps between packets.
 */
export const recorderNodeOptions: readonly string[] = [
  ...mediaNodeOptions,
  '--no-incremental-marking',
  '--heap-growing-percent=100',
];
