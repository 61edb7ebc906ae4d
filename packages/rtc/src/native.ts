import type * as Ffi from 'node:ffi';

/**
 * The functions of the C library and of Node's own OpenSSL that the media path calls directly, where the platform has
 * them: many datagrams for one system call, and AES-GCM with a context that is kept.
 *
 * A mistake here ends the process without a word. So all of it is in five files (this one, `message-vector.ts`,
 * `native-aead.ts`, `native-udp-sender.ts`, `native-udp-socket.ts`), and each holds what its pointers point into: a
 * library that is collected takes its functions with it, memory of which only the address is kept is freed.
 */
export type Native = ReturnType<typeof bind>;

/** Memory at a fixed address for as long as this object lives. */
export type NativeMemory = { readonly bytes: Buffer; readonly address: bigint };

const definitions = {
  __errno_location: { return: 'pointer', arguments: [] },
  socket: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
  setsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'uint32'] },
  getsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'] },
  bind: { return: 'int32', arguments: ['int32', 'pointer', 'uint32'] },
  getsockname: { return: 'int32', arguments: ['int32', 'pointer', 'pointer'] },
  close: { return: 'int32', arguments: ['int32'] },
  recvmmsg: { return: 'int32', arguments: ['int32', 'pointer', 'uint32', 'int32', 'pointer'] },
  sendmmsg: { return: 'int32', arguments: ['int32', 'pointer', 'uint32', 'int32'] },
  EVP_aes_128_gcm: { return: 'pointer', arguments: [] },
  EVP_CIPHER_CTX_new: { return: 'pointer', arguments: [] },
  EVP_CIPHER_CTX_free: { return: 'void', arguments: ['pointer'] },
  EVP_CIPHER_CTX_ctrl: { return: 'int32', arguments: ['pointer', 'int32', 'int32', 'pointer'] },
  EVP_CipherInit_ex: {
    return: 'int32',
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'int32'],
  },
  EVP_Cipher: { return: 'int32', arguments: ['pointer', 'pointer', 'pointer', 'uint32'] },
} as const satisfies Ffi.FunctionDefinitions;

/** The native functions of this platform; null where it is not 64-bit Linux, or Node.js has no `node:ffi`. */
export const loadNative = (): Native | null => {
  const isKnown = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');
  if (!isKnown) return null;
  try {
    const ffi = quietly(() => process.getBuiltinModule('node:ffi'));
    return ffi === undefined ? null : bind(ffi);
  } catch {
    return null;
  }
};

// That the module is experimental is told to whoever reads the documentation, not on every operator's terminal.
const quietly = <T>(work: () => T): T => {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return work();
  } finally {
    process.emitWarning = emitWarning;
  }
};

const bind = (ffi: typeof Ffi) => {
  const library = new ffi.DynamicLibrary(null);
  const functions = library.getFunctions(definitions);
  return {
    /** Held so that the functions stay. */
    library,
    ...functions,
    /** What the last failed call of the C library left in errno; to be asked at once. */
    errno: (): number => ffi.getInt32(functions.__errno_location()),
    /** Zeroed memory outside of the JavaScript heap. */
    allocate: (bytes: number): NativeMemory => {
      const buffer = Buffer.allocUnsafeSlow(bytes).fill(0);
      return { bytes: buffer, address: ffi.getRawPointer(buffer) };
    },
    /** The address of memory that the caller holds; of 65 bytes or more, for smaller buffers may lie in the heap, and move. */
    addressOf: (buffer: Buffer): bigint => ffi.getRawPointer(buffer),
  };
};
