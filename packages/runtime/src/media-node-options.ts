/**
 * Options of Node.js for the processes that media go through. Their heaps are small, but the bytes that pass are many,
 * and V8 counts them: it marks the heap every few seconds, and with helper threads, which wake each other for a few
 * milliseconds of work, that takes more of the machine than the media do.
 */
export const mediaNodeOptions: readonly string[] = ['--single-threaded-gc'];
