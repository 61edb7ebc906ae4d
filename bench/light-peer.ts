import { X509Certificate } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import {
  CipherContext,
  classes,
  DtlsClient,
  HashAlgorithm,
  Message,
  methods,
  NamedCurveAlgorithm,
  parseMessage,
  SignatureAlgorithm,
} from 'werift';

/** ICE, DTLS and consent as a browser does them, by werift's parts alone, with nothing above: one end of WHIP or WHEP. */
export type LightPeer = {
  /** The resource of the session, to be deleted. */
  readonly session: string;
  readonly keys: PeerKeys;
  send(datagram: Buffer): void;
  /** Whether anything came within the last three checks of consent. */
  isAnswered(): boolean;
  close(): void;
};

/** Of SRTP, as werift names them; ours are `local`. */
export type PeerKeys = Record<`${'local' | 'remote'}Master${'Key' | 'Salt'}`, Buffer>;

/** A self-signed certificate, shared by the peers of a process. */
export type Certificate = Pick<ConstructorParameters<typeof DtlsClient>[0], 'cert' | 'key' | 'signatureHash'> & {
  fingerprint: string;
};

/** Where to and which way; media and RTCP that come are handed over as they are, encrypted. */
export type LightPeerOptions = {
  url: string;
  token?: string;
  direction: 'sendonly' | 'recvonly';
  certificate: Certificate;
  onMedia(datagram: Buffer): void;
};

/** As they are offered, for H264 and Opus. */
export const payloadTypes = { video: 96, audio: 111 };
const connectMs = 10_000;
const consentMs = 2500;

/** Makes one. */
export const createCertificate = async (): Promise<Certificate> => {
  const { certPem, keyPem, signatureHash } = await CipherContext.createSelfSignedCertificateWithKey(
    { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 },
    NamedCurveAlgorithm.secp256r1_23,
  );
  return { cert: certPem, key: keyPem, signatureHash, fingerprint: new X509Certificate(certPem).fingerprint256 };
};

/** Connects to a WHIP or WHEP endpoint; rejects when media cannot flow within 10 s. */
export const openLightPeer = async ({
  url,
  token,
  direction,
  certificate,
  onMedia,
}: LightPeerOptions): Promise<LightPeer> => {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: 1024 * 1024,
    lookup: (host, _options, done) => done(null, host, 4),
  });
  // With that look-up the socket may be listening before `bind` returns.
  const listening = once(socket, 'listening');
  socket.bind(0, '127.0.0.1');
  await listening;
  const local = { ufrag: `v${socket.address().port}`, password: 'a-password-that-is-long-enough' };
  const offer = buildOffer(local, direction, certificate.fingerprint, socket.address().port);
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/sdp',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: offer,
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${url} answered ${response.status}: ${answer.slice(0, 200)}`);
  const session = new URL(response.headers.get('location') ?? '', url).href;
  return { session, ...(await connect(socket, local, readAnswer(answer), certificate, onMedia)) };
};

type Remote = { ufrag: string; password: string; address: string; port: number };
type Local = { ufrag: string; password: string };

const connect = async (
  socket: Socket,
  local: Local,
  remote: Remote,
  certificate: Certificate,
  onMedia: (datagram: Buffer) => void,
): Promise<Omit<LightPeer, 'session'>> => {
  const send = (datagram: Buffer) => socket.send(datagram, remote.port, remote.address);
  const iceUp = Promise.withResolvers<void>();
  const transport: DtlsClient['options']['transport'] = {
    type: 'udp',
    address: { address: '', family: 'IPv4', port: 0 },
    closed: false,
    onData: () => {},
    send: async (datagram: Buffer) => send(datagram),
    close: async () => {},
  };
  let heardMs = performance.now();
  socket.on('message', (datagram) => {
    heardMs = performance.now();
    const first = datagram[0] ?? 0;
    if (first > 127) onMedia(datagram);
    else if (first > 19) transport.onData(datagram, ['', 0]);
    else if (first < 4) handleStun(datagram, local, send, iceUp.resolve, socket.address().port);
  });
  const check = () => send(bindingRequest(local, remote));
  const timers = [setInterval(check, 100)];
  check();
  const close = () => {
    for (const timer of timers) clearInterval(timer);
    socket.close();
  };
  try {
    await inTime(iceUp.promise, 'ICE');
    clearInterval(timers[0]);
    timers.push(setInterval(check, consentMs));
    const keys = await shakeHands(transport, certificate);
    return { keys, send, close, isAnswered: () => performance.now() - heardMs < 3 * consentMs };
  } catch (error) {
    close();
    throw error;
  }
};

const inTime = async <T>(promise: Promise<T>, what: string): Promise<T> => {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no ${what} within ${connectMs} ms`)), connectMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
};

const shakeHands = async (transport: DtlsClient['options']['transport'], certificate: Certificate) => {
  const client = new DtlsClient({ ...certificate, srtpProfiles: [7], extendedMasterSecret: true, transport });
  const up = Promise.withResolvers<void>();
  client.onConnect.subscribe(() => up.resolve());
  client.onError.subscribe((error) => up.reject(error));
  client.connect().catch(up.reject);
  await inTime(up.promise, 'DTLS');
  const { localKey, localSalt, remoteKey, remoteSalt } = client.extractSessionKeys(16, 12);
  return {
    localMasterKey: localKey,
    localMasterSalt: localSalt,
    remoteMasterKey: remoteKey,
    remoteMasterSalt: remoteSalt,
  };
};

const handleStun = (
  datagram: Buffer,
  local: Local,
  send: (datagram: Buffer) => void,
  onSuccess: () => void,
  port: number,
): void => {
  const message = parseMessage(datagram);
  if (message?.messageClass === classes.RESPONSE) onSuccess();
  if (message?.messageClass !== classes.REQUEST) return;
  // A full ICE agent checks the path from its side too.
  const response = new Message(methods.BINDING, classes.RESPONSE, message.transactionId);
  response.setAttribute('XOR-MAPPED-ADDRESS', ['127.0.0.1', port]);
  response.addMessageIntegrity(Buffer.from(local.password)).addFingerprint();
  send(response.bytes);
};

const bindingRequest = (local: Local, remote: Remote): Buffer => {
  const request = new Message(methods.BINDING, classes.REQUEST);
  request
    .setAttribute('USERNAME', `${remote.ufrag}:${local.ufrag}`)
    .setAttribute('PRIORITY', 2_130_706_431)
    .setAttribute('ICE-CONTROLLING', 1n)
    .setAttribute('USE-CANDIDATE', null);
  request.addMessageIntegrity(Buffer.from(remote.password)).addFingerprint();
  return request.bytes;
};

const buildOffer = ({ ufrag, password }: Local, direction: string, fingerprint: string, port: number): string => {
  const section = (mid: number, kind: 'video' | 'audio', lines: string[]) => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloadTypes[kind]}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    `a=${direction}`,
    'a=rtcp-mux',
    'a=rtcp-rsize',
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${password}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    'a=setup:active',
    ...lines.map((line) => `a=${line}`),
    `a=candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host`,
    'a=end-of-candidates',
  ];
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0 1',
    ...section(0, 'video', [
      'rtpmap:96 H264/90000',
      'rtcp-fb:96 nack',
      'rtcp-fb:96 nack pli',
      'fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
    ]),
    ...section(1, 'audio', ['rtpmap:111 opus/48000/2', 'fmtp:111 minptime=10;useinbandfec=1']),
  ];
  return `${lines.join('\r\n')}\r\n`;
};

const readAnswer = (answer: string): Remote => {
  const find = (pattern: RegExp): RegExpExecArray => {
    const match = pattern.exec(answer);
    if (match === null) throw new Error(`the answer has no ${pattern}:\n${answer}`);
    return match;
  };
  const candidate = find(/^a=candidate:\S+ 1 udp \d+ (127\.0\.0\.1) (\d+) typ host/im);
  return {
    ufrag: find(/^a=ice-ufrag:(\S+)/m)[1] ?? '',
    password: find(/^a=ice-pwd:(\S+)/m)[1] ?? '',
    address: candidate[1] ?? '',
    port: Number(candidate[2]),
  };
};
