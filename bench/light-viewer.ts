import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { encodeReceiverReport } from '@weir/media';
import { classes, DtlsClient, Message, methods, parseMessage, SrtcpSession, SrtpSession } from 'werift';

/**
 * A WHEP receiver that costs next to nothing: ICE, DTLS and consent as a browser does them, a receiver report each
 * second, and for media only counters, told from the RTP header; the first packets and then one in 256 are opened, so
 * that what is counted is what was meant to be sent. werift's parts alone: an independent judge of ours.
 */
export type LightViewer = { counts(): ViewerCounts; close(): void };

/** `lost` packets were missing in the sequence numbers, `odd` ones could not be opened or came twice. */
export type ViewerCounts = { packets: number; bytes: number; lost: number; odd: number; opened: number };

/** A self-signed certificate, shared by the viewers of a process. */
export type Certificate = Pick<ConstructorParameters<typeof DtlsClient>[0], 'cert' | 'key' | 'signatureHash'> & {
  fingerprint: string;
};

type Lane = { first: number; highest: number; received: number; ssrc: number };

const openedAtFirst = 20;
const openedOneIn = 256;
const payloadTypes = { video: 96, audio: 111 };
const connectMs = 10_000;
const consentMs = 2500;
const reportMs = 1000;
const localSsrc = 0x7e57;

/** Connects to a WHEP endpoint; rejects when media cannot flow within 10 s. */
export const openLightViewer = async (
  { url, token }: { url: string; token?: string },
  certificate: Certificate,
): Promise<LightViewer> => {
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
  const offer = buildOffer(local, certificate.fingerprint, socket.address().port);
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
  return connect(socket, local, readAnswer(answer), certificate);
};

type Remote = { ufrag: string; password: string; address: string; port: number };
type Local = { ufrag: string; password: string };

const connect = async (
  socket: Socket,
  local: Local,
  remote: Remote,
  certificate: Certificate,
): Promise<LightViewer> => {
  const send = (datagram: Buffer) => socket.send(datagram, remote.port, remote.address);
  const counter = createCounter();
  const iceUp = Promise.withResolvers<void>();
  const transport: DtlsClient['options']['transport'] = {
    type: 'udp',
    address: { address: '', family: 'IPv4', port: 0 },
    closed: false,
    onData: () => {},
    send: async (datagram: Buffer) => send(datagram),
    close: async () => {},
  };
  socket.on('message', (datagram) => {
    const first = datagram[0] ?? 0;
    if (first > 127) counter.received(datagram);
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
    counter.unlock(new SrtpSession({ keys, profile: 7 }));
    const rtcp = new SrtcpSession({ keys, profile: 7 });
    timers.push(
      setInterval(() => {
        for (const report of counter.reports()) send(rtcp.encrypt(report));
      }, reportMs),
    );
  } catch (error) {
    close();
    throw error;
  }
  return { counts: counter.counts, close };
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

const createCounter = () => {
  const lanes = new Map<number, Lane>();
  const counts = { packets: 0, bytes: 0, odd: 0, opened: 0 };
  let srtp: SrtpSession | undefined;
  const open = (datagram: Buffer) => {
    if (srtp === undefined) return;
    try {
      srtp.decrypt(datagram);
      counts.opened++;
    } catch {
      counts.odd++;
    }
  };
  const missing = (lane: Lane) => Math.max(0, lane.highest - lane.first + 1 - lane.received);
  return {
    unlock: (session: SrtpSession) => {
      srtp = session;
    },
    received: (datagram: Buffer) => {
      const second = datagram.readUInt8(1);
      if (second >= 192 && second <= 223) return;
      const sequence = datagram.readUInt16BE(2);
      let lane = lanes.get(second & 0x7f);
      if (lane === undefined) {
        lane = { first: sequence, highest: sequence, received: 0, ssrc: datagram.readUInt32BE(8) };
        lanes.set(second & 0x7f, lane);
      }
      const step = ((sequence - lane.highest + 0x8000) & 0xffff) - 0x8000;
      if (step > 0) lane.highest += step;
      lane.received++;
      counts.packets++;
      counts.bytes += datagram.length;
      if (counts.packets <= openedAtFirst || counts.packets % openedOneIn === 0) open(datagram);
    },
    reports: (): Buffer[] =>
      [...lanes.values()].map(({ ssrc, highest }) => {
        const block = { ssrc, fractionLost: 0, cumulativeLost: 0, highestSequence: highest >>> 0, jitter: 0 };
        const report = { ...block, lastSenderReport: 0, delaySinceLastSenderReport: 0 };
        return Buffer.from(encodeReceiverReport({ ssrc: localSsrc, reports: [report] }));
      }),
    counts: (): ViewerCounts => ({
      ...counts,
      lost: [...lanes.values()].reduce((sum, lane) => sum + missing(lane), 0),
    }),
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

const buildOffer = ({ ufrag, password }: Local, fingerprint: string, port: number): string => {
  const section = (mid: number, kind: 'video' | 'audio', lines: string[]) => [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloadTypes[kind]}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    'a=recvonly',
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
