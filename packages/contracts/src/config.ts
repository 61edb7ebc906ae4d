/**
 * The one configuration file, `weir.toml`. Sections and keys are the seeds' where these have them. Every key has a
 * default or says when it is needed; every key is also `WEIR_<SECTION>_<KEY>` in the environment.
 */
import { z } from 'zod';
import { ALIAS } from './names.ts';
import { DEFAULT_TOPIC_PREFIX } from './topics.ts';

const port = 'address:port, port 0 for any free one';
const address = () =>
  z
    .string()
    .regex(/^(?:[^:\s]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/, `must be address:port, such as 127.0.0.1:7777`)
    .refine((value) => Number(value.slice(value.lastIndexOf(':') + 1)) <= 65_535, 'must have a port of at most 65535');
const listen = (text: string, use: string) => address().default(text).describe(`${use} (${port})`);
const baseUrl = () => z.string().regex(/^https?:\/\/[^\s/]/, 'must be a URL, such as https://weir.example.org');
const seconds = (value: number, min = 0) => z.number().min(min).max(31_536_000).default(value);
const secret = () => z.string().min(1).meta({ secret: true });

const account = z.strictObject({
  username: z.string().min(1).max(128).describe('name to log in with'),
  password: secret().optional().describe('password in clear; accepted with a warning, prefer password_hash'),
  password_hash: secret().optional().describe('argon2id hash of the password in PHC form'),
});

const storage = z.strictObject({
  type: z.enum(['s3', 'fs']).optional().describe('where recordings are kept; absent under `weir up`: fs'),
  bucket: z.string().min(1).optional().describe('S3: the bucket; needed for s3'),
  root: z.string().optional().describe('S3: prefix in the bucket, default "/"; fs: directory, default ./data/bucket'),
  region: z.string().optional().describe('S3: region; else from the environment'),
  endpoint: z.string().optional().describe('S3: address of a compatible service'),
  access_key_id: z.string().optional().describe('S3: credentials; else from environment, files or role'),
  secret_access_key: secret().optional().describe('S3: credentials'),
  session_token: secret().optional().describe('S3: token of temporary credentials'),
  disable_config_load: z.boolean().default(false).describe('S3: use only the credentials given here'),
  enable_virtual_host_style: z.boolean().default(false).describe('S3: bucket.endpoint instead of endpoint/bucket'),
});

const upload = z.strictObject({
  enabled: z.boolean().default(false).describe('true: put with URLs presigned by the gateway at liveman_url'),
  liveman_url: baseUrl().default('http://127.0.0.1:8888').describe('base URL of the gateway'),
  liveman_token: secret().optional().describe('bearer token for the gateway'),
  queue_path: z.string().optional().describe('accepted and unused: the queue is the ledger in the spool'),
  local_dir: z.string().default('./recordings').describe('the spool; ./data/spool under `weir up`'),
  presign_ttl_seconds: z.int().min(30).max(86_400).default(300).describe('life of a presigned URL'),
  interval_ms: z.int().min(100).max(600_000).default(2000).describe('how often the ledger is looked at for work'),
  concurrency: z.int().min(1).max(64).default(2).describe('objects put at the same time'),
  max_bitrate_bps: z
    .int()
    .min(0)
    .default(0)
    .describe('most bits a second that all puts of an uploader take on average; 0 = no bound'),
});

/** The schema of `weir.toml`. */
export const weirConfig = z.strictObject({
  data_dir: z.string().default('./data').describe('directory of secrets, node id, and what a start creates'),
  http: z
    .strictObject({
      listen: listen('0.0.0.0:7777', "the node's HTTP API"),
      public: baseUrl().optional().describe('base URL under which the gateway reaches this node'),
      cors: z.boolean().default(false).describe('allow other origins'),
    })
    .prefault({}),
  gateway: z
    .strictObject({
      listen: listen('0.0.0.0:8888', "the gateway's HTTP API and page"),
      public: baseUrl().optional().describe('base URL under which sites and viewers reach the gateway'),
      cors: z.boolean().default(false).describe('allow other origins'),
    })
    .prefault({}),
  webrtc: z
    .strictObject({
      udp_listen: listen('0.0.0.0:7779', 'the one UDP socket of all WebRTC peers'),
      ice_udp_addrs: z
        .array(z.string())
        .default(['auto'])
        .describe('addresses told to peers; auto: those of the interfaces'),
      max_sessions: z.int().min(1).max(100_000).default(2000).describe('most WHIP and WHEP sessions at once'),
      max_bitrate_bps: z.int().min(100_000).default(10_000_000).describe('told to publishers as their bound'),
      native_io: z
        .boolean()
        .default(true)
        .describe('read, send and encrypt packets by direct system and OpenSSL calls, on 64-bit Linux; false: never'),
    })
    .prefault({}),
  ice_servers: z
    .array(
      z.strictObject({
        urls: z.array(z.string()).min(1).describe('stun: or turn: URLs'),
        username: z.string().optional().describe('turn: user name'),
        credential: secret().optional().describe('turn: password'),
      }),
    )
    .default([])
    .describe('ICE servers told to clients in Link headers'),
  tap: z
    .strictObject({
      listen: listen('127.0.0.1:7778', 'the tap, by which recorders get media'),
      connect: z.string().optional().describe('address:port of the tap for a recorder; default: the one of this file'),
      token: secret().optional().describe('shared by node and recorder; default: data_dir/secrets/tap'),
      ring_seconds: seconds(20, 1).describe('how long a node keeps packets for replay'),
      ring_bytes: z.int().min(65_536).default(33_554_432).describe('most bytes of one stream kept for replay'),
    })
    .prefault({}),
  net4mqtt: z
    .strictObject({
      mqtt_url: z
        .string()
        .optional()
        .describe('URL of the broker: mqtt, mqtts, ws or wss; the embedded one under `weir up`')
        .meta({ secret: true }),
      mqtt_urls: z
        .array(secret())
        .default([])
        .describe('further URLs of the broker or its cluster, tried in turn when one does not answer'),
      username: z.string().optional().describe('user name at the broker, unless it stands in mqtt_url'),
      password: secret().optional().describe('password at the broker'),
      ca: z
        .string()
        .optional()
        .describe("certificates that the broker's is checked against instead of the system's: a PEM file, or its text"),
      cert: z.string().optional().describe('certificate to show to the broker: a PEM file, or its text; needs key'),
      key: secret().optional().describe('private key of cert: a PEM file, or its text'),
      alias: z.string().regex(ALIAS).optional().describe("the node's name in the cluster; default: the host's name"),
      topic_prefix: z
        .string()
        .regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/)
        .default(DEFAULT_TOPIC_PREFIX)
        .describe('what all topics begin with; the same for all that work together'),
      overlay_prefix: z
        .string()
        .regex(/^[A-Za-z0-9_-]+$/, 'must be one level of a topic, such as net4mqtt')
        .default('net4mqtt')
        .describe('first level of the topics of the overlay, by which the cloud reaches nodes over the broker'),
      allow: z
        .array(z.string())
        .default([])
        .describe(
          'host:port patterns that a gateway may reach through this node, such as 192.168.1.20:80; default none',
        ),
      plain: z
        .boolean()
        .default(false)
        .describe(
          'serve plain tcp and udp of net4mqtt: whoever may write to the broker reaches what is in allow, never the API or the tap',
        ),
      plain_target: z
        .string()
        .optional()
        .describe('host:port that plain sessions without a target reach; must be in allow'),
    })
    .prefault({}),
  broker: z
    .strictObject({
      listen: listen('127.0.0.1:1883', 'the embedded broker of `weir up`'),
      tls_listen: address()
        .optional()
        .describe(`the same broker by TLS, for sites; needs tls_cert and tls_key (${port})`),
      tls_cert: z
        .string()
        .optional()
        .describe('PEM file of its certificate, with those that lead to its authority; read again when it changes'),
      tls_key: z.string().optional().describe("PEM file of its certificate's private key"),
      tls_client_ca: z
        .string()
        .optional()
        .describe('PEM file of authorities: who has no certificate of theirs is refused; default: nobody is asked'),
    })
    .prefault({}),
  auth: z
    .strictObject({
      enabled: z.boolean().default(true).describe('false opens every door; said aloud at the start'),
      secret: secret().optional().describe('key of the tokens that login and /api/token issue; default: made once'),
      tokens: z.array(secret()).default([]).describe('bearer tokens with every right'),
      accounts: z.array(account).default([]).describe('who may log in'),
      gateway_public_key: z
        .string()
        .optional()
        .describe("the gateway's Ed25519 public key; default: the one in data_dir"),
    })
    .prefault({}),
  database: z
    .strictObject({
      url: z
        .string()
        .default('sqlite://./weir.db')
        .describe('the index: sqlite:// or postgresql://')
        .meta({ secret: true }),
      max_connections: z.int().min(1).max(1000).default(10).describe('most database connections'),
      connect_timeout: seconds(30, 1).describe(
        'seconds to wait for a connection; a service that starts tries again for as long',
      ),
      query_timeout: seconds(30, 1).describe(
        "seconds after which a statement is cut and tried again; SQLite's lock is waited for as long, 10 s at most",
      ),
    })
    .prefault({}),
  nodes: z
    .array(
      z.strictObject({
        alias: z.string().regex(ALIAS).describe("the node's alias"),
        url: baseUrl().describe("base URL of the node's HTTP API"),
        token: secret().optional().describe('bearer token for the node; default: one that the gateway signs'),
        streams: z.array(z.string()).default(['*']).describe('stream patterns this node may have'),
      }),
    )
    .default([])
    .describe('nodes that the gateway reaches directly, without a broker'),
  recorder: z
    .strictObject({
      enabled: z.boolean().default(true).describe('false: /api/record answers 501'),
      listen: listen('127.0.0.1:7781', "the recorder's health and metrics"),
      auto_streams: z
        .array(z.string().min(1))
        .max(256)
        .default([])
        .describe('patterns of streams that are always recorded'),
      max_recording_seconds: seconds(86_400).describe('a recording is rotated after so long; 0 = never'),
      segment_seconds: seconds(4, 1).describe('length of a segment, to the next key frame'),
      reconnect_seconds: seconds(30).describe('a publisher back within it continues the recording'),
      node_alias: z.string().regex(ALIAS).optional().describe("the node's alias; default [net4mqtt] alias"),
      max_streams: z.int().min(1).max(10_000).default(200).describe('most recordings at once'),
      reserve_bytes: z
        .int()
        .min(0)
        .default(536_870_912)
        .describe('free disk kept: near it segments are evicted, below it recording stops with a gap'),
      evict: z
        .enum(['indexed', 'stored', 'unsent'])
        .default('stored')
        .describe(
          'what may be deleted near a full disk, oldest first: what the index has; then what the bucket has; then what nobody has',
        ),
      local_retention_seconds: seconds(604_800).describe(
        'how long media that the index has stay in the spool; 0: no longer than that takes',
      ),
      local_retention_bytes: z
        .int()
        .min(0)
        .optional()
        .describe('most bytes of media in the spool, as far as the index has them; default: no bound'),
      storage: storage.prefault({}),
      upload: upload.prefault({}),
    })
    .prefault({}),
  uploader: z
    .strictObject({
      listen: listen('127.0.0.1:7782', "the uploader's health and metrics"),
      scrub_days: z
        .number()
        .min(0)
        .max(3650)
        .default(30)
        .describe('how often, at most, everything stored is read again and compared with its hash; 0 = never'),
      scrub_bytes_per_second: z
        .int()
        .min(1_000)
        .max(1_000_000_000)
        .default(250_000)
        .describe('most bytes a second that this reads from the bucket'),
    })
    .prefault({}),
  indexer: z
    .strictObject({
      listen: listen('127.0.0.1:7783', "the indexer's health and metrics"),
      pull_seconds: seconds(10, 1).describe('how often spools are asked for rows that no message brought'),
      orphan_after_seconds: seconds(604_800, 0).describe(
        'a spool that its node, being online, has not listed for so long is lost: what it did not send is missing; 0: only by `weir spool lost`',
      ),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['error', 'warn', 'info', 'debug']).default('info').describe('how much is logged'),
      format: z.enum(['auto', 'json', 'pretty']).default('auto').describe('auto: pretty on a terminal'),
    })
    .prefault({}),
});

export type WeirConfig = z.infer<typeof weirConfig>;
export type StorageConfig = WeirConfig['recorder']['storage'];
