/** Whose fault an error is: `input` is refused, `peer` is retried, `us` ends the process or answers 500. */
export type Fault = 'input' | 'peer' | 'us';

type Entry = { fault: Fault; status: number; what: string; remedy: string };

const input = (status: number, what: string, remedy: string): Entry => ({ fault: 'input', status, what, remedy });
const peer = (status: number, what: string, remedy: string): Entry => ({ fault: 'peer', status, what, remedy });
const us = (what: string, remedy: string): Entry => ({ fault: 'us', status: 500, what, remedy });

/** The one table of error codes: fault, HTTP status, what it means, what to do. `docs/errors.md` is held equal to it. */
export const errorCodes = {
  invalid_stream_name: input(
    400,
    'The stream name is not allowed',
    'Use 1 to 128 letters, digits, ".", "_", "-"; the first a letter or digit',
  ),
  invalid_path: input(400, 'The object path is not allowed', 'Use a relative path below the root, without ".."'),
  invalid_query: input(400, 'A query parameter is wrong', 'Correct the parameter that the detail names'),
  invalid_body: input(400, 'The request body is not what this route takes', 'Correct the field that the detail names'),
  digest_mismatch: input(400, 'The body is not what its hash or length says', 'Hash the file again and send that'),
  invalid_request: input(400, 'The request is not well-formed HTTP', 'Correct the request'),
  invalid_sdp: input(400, 'The SDP cannot be parsed', 'Send an SDP offer as application/sdp'),
  invalid_token: input(400, 'The token cannot be issued as asked', 'Correct the field that the detail names'),
  unauthorized: input(401, 'No valid credentials', 'Send "Authorization: Bearer <token>" with a valid token'),
  login_failed: input(401, 'User name or password is wrong', 'Log in again with the right ones'),
  forbidden: input(403, 'The credentials do not allow this', 'Use a token with the right for this stream and action'),
  signature_refused: input(
    403,
    'The URL does not carry a good signature',
    'Ask for one by POST /api/storage/presign and send its headers as they are',
  ),
  url_expired: input(403, 'The time of the URL is over', 'Ask for a fresh one by POST /api/storage/presign'),
  not_found: input(404, 'There is nothing at this address', 'Check the path'),
  stream_not_found: input(404, 'There is no such stream', 'Publish it first, or check the name'),
  session_not_found: input(404, 'There is no such session', 'It ended, or the address is wrong; start a new one'),
  recording_not_found: input(404, 'There is no such recording', 'List recordings with GET /api/playback'),
  object_not_found: input(404, 'There is no such object in the bucket', 'Check the path; it may not be uploaded yet'),
  node_not_found: input(404, 'There is no such node', 'List nodes with GET /api/nodes'),
  not_recording: input(404, 'The stream is not being recorded', 'Start it with POST /api/record/:stream'),
  method_not_allowed: input(405, 'The address does not take this method', 'Use a method from the Allow header'),
  not_acceptable: input(406, 'No representation that the client accepts', 'Widen the Accept header'),
  stream_has_publisher: input(
    409,
    'The stream already has a publisher',
    'Stop the other publisher or use another name',
  ),
  stream_has_no_publisher: input(409, 'Nobody publishes the stream yet', 'Try again after Retry-After'),
  recording_exists: input(409, 'The stream is already recorded into another directory', 'Stop that recording first'),
  record_ambiguous: input(409, 'Several recordings have this record', 'Ask by one of the ids that the detail names'),
  record_taken: input(409, 'The directory belongs to another spool', 'Record under another record or base_dir'),
  base_dir_taken: input(409, 'The base_dir is already in use', 'Choose another base_dir'),
  alias_taken: input(409, 'Another node uses this alias', 'Give each node its own alias'),
  claim_refused: input(409, 'Another recorder holds the stream', 'Nothing: the holder records it'),
  not_indexed: input(409, 'Not everything of the recording is indexed', 'Wait until it is, then delete again'),
  spool_attached: input(409, 'A node has the spool', 'Stop the recorder that has it, then declare it lost'),
  precondition_failed: input(412, 'The object exists with other content, or changed', 'Read it again before writing'),
  body_too_large: input(413, 'The request body is too large', 'Send less; the detail names the limit'),
  unsupported_media_type: input(415, 'The content type is not taken here', 'Send the type that the detail names'),
  range_not_satisfiable: input(416, 'The range lies outside the object', 'Ask for a range within its size'),
  codec_not_recordable: input(
    422,
    'A codec of the stream cannot be recorded',
    'Publish one of the codecs that the message names',
  ),
  sdp_unacceptable: input(
    422,
    'Nothing in the SDP offer can be accepted',
    'Offer a supported codec, BUNDLE and rtcp-mux',
  ),
  rate_limited: input(429, 'Too many requests', 'Wait as long as Retry-After says'),

  not_implemented: peer(501, 'This is not there yet', 'Nothing: the detail names what is missing'),
  recorder_disabled: peer(501, 'Recording is switched off', 'Set [recorder] enabled = true'),
  node_unreachable: peer(502, 'The node does not answer', 'Check the node and its link; try again'),
  node_offline: peer(503, 'The node is offline', 'Wait until it is back'),
  recorder_absent: peer(503, 'No recorder is attached or none is free', 'Start a recorder-worker for this node'),
  too_many_sessions: peer(503, 'The node has as many sessions as it may', 'Use another node, or raise the limit'),
  overloaded: peer(503, 'Too much work is waiting', 'Try again after Retry-After'),
  not_ready: peer(503, 'The service is starting or stopping', 'Try again in a moment'),
  storage_unavailable: peer(503, 'The bucket does not answer as it should', 'Check the endpoint and its state'),
  database_unavailable: peer(503, 'The database does not answer', 'Check DATABASE_URL and the database server'),
  database_unsupported: peer(503, 'The database is newer than this program', 'Start the version that migrated it'),
  bucket_missing: peer(503, 'The bucket does not exist', 'Create it, or correct [recorder.storage]'),
  bucket_forbidden: peer(503, 'The bucket refuses the credentials', 'Correct the keys or the rights on the bucket'),
  broker_unavailable: peer(503, 'The MQTT broker does not answer', 'Check the broker and the URL'),
  broker_refused: peer(503, 'The MQTT broker refuses the credentials', 'Correct user name and password in the URL'),
  broker_untrusted: peer(
    503,
    "The MQTT broker's certificate cannot be trusted",
    'Correct [net4mqtt] ca, the URL, the certificate or the clock, as the message says',
  ),
  timed_out: peer(504, 'A peer took too long to answer', 'Try again'),

  config_invalid: input(400, 'The configuration is not valid', 'Correct the key that the message names'),
  port_in_use: input(503, 'The port is taken', 'Stop the other program, or set another port'),
  address_unavailable: input(503, 'The address cannot be listened on', 'Use an address of this machine'),
  port_forbidden: input(503, 'The port needs more rights', 'Use a port of 1024 or above'),
  directory_unwritable: input(503, 'The directory cannot be written', 'Create it, or give this user the right'),
  directory_in_use: input(503, 'Another process works in the directory', 'Stop the other process'),
  directories_overlap: input(400, 'Spool and bucket lie in one another', 'Give each its own directory'),
  disk_full: input(503, 'The disk is full', 'Free space, or let retention delete more'),
  key_unreadable: input(503, 'A key or secret file cannot be used', 'Restore it, or remove it to have a new one made'),
  program_missing: input(
    503,
    'A program that this needs is not installed',
    'Install the program that the detail names',
  ),
  media_unusable: input(503, 'A file cannot be published', 'Give a file with video or audio that ffmpeg can read'),
  ledger_damaged: input(503, 'The ledger of the spool is damaged', 'Move the spool away and start with a new one'),
  child_failed: us('A service could not start', 'See the line of the service'),
  internal: us('A mistake of ours', 'Look into the log of the service; report it'),
} as const satisfies Record<string, Entry>;

/** A code of the table above. */
export type ErrorCode = keyof typeof errorCodes;

/** True if the text is a code of the table. */
export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(errorCodes, text);
