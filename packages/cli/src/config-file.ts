import { existsSync, writeFileSync } from 'node:fs';
import { WeirError } from '@weir/runtime';

/** The `weir.toml` that a first `weir up` writes: what most people change, and where the rest is told. */
export const FIRST_CONFIG = `# Weir: configuration. Every key is described in docs/configuration.md; what is commented shows its default.
# An unknown key or a bad value stops the start, with its line and what was expected.

# data_dir = "./data"            # secrets, node id, index, spool and bucket

[recorder]
auto_streams = ["*"]             # every stream is recorded; [] records only what POST /api/record/<stream> asks for
# segment_seconds = 4            # length of a segment, to the next key frame
# reconnect_seconds = 30         # a publisher who is back within it continues the recording
# max_recording_seconds = 86400  # a recording is rotated after so long; 0 = never
# reserve_bytes = 536870912      # free disk that is kept; below it recording stops with a gap
# evict = "stored"               # what goes before that, oldest first: "indexed", "stored", or also what is "unsent"

[recorder.storage]
type = "fs"                      # "s3" for a bucket of S3 or a compatible service
# root = "./data/bucket"         # fs: the directory; s3: a prefix in the bucket
# bucket = "recordings"          # s3: these and the credentials; see docs/configuration.md
# region = "us-east-1"
# endpoint = "http://localhost:9000"

# [http]
# listen = "0.0.0.0:7777"        # the node's WHIP and WHEP

# [gateway]
# listen = "0.0.0.0:8888"        # the page, the API, playback

# [webrtc]
# udp_listen = "0.0.0.0:7779"    # the one UDP port of all media; open it in the firewall
# ice_udp_addrs = ["auto"]       # addresses told to browsers; set the public one behind a 1:1 NAT

# [database]
# url = "sqlite://./data/weir.db"

# [[auth.accounts]]              # further people who may log in; the first start made "admin"
# username = "alice"
# password_hash = "$argon2id$…"  # weir hash-password

# [log]
# level = "info"
`;

/** Writes the first `weir.toml` where there is none; true when it did. */
export const writeFirstConfig = (path: string): boolean => {
  if (existsSync(path)) return false;
  try {
    writeFileSync(path, FIRST_CONFIG, { flag: 'wx', mode: 0o644 });
    return true;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WeirError(
      'directory_unwritable',
      `cannot write ${path}: ${why}; start where you may write, or pass --config`,
      { cause },
    );
  }
};
