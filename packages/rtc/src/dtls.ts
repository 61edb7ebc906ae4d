import { createHash, createHmac, timingSafeEqual, verify, X509Certificate } from 'node:crypto';
import {
  CipherContext,
  DtlsServer,
  type DtlsSocket,
  HashAlgorithm,
  NamedCurveAlgorithm,
  SignatureAlgorithm,
} from 'werift';
import { type DtlsRecord, dtlsContent, encodeDtlsRecord, parseDtlsRecords } from './dtls-record.ts';
import type { Fingerprint } from './sdp.ts';
import type { SrtpMaster } from './srtp.ts';

/**
 * The DTLS 1.2 server side of one peer (RFC 5763, RFC 5764): werift's `DtlsServer` alone, with the checks it leaves out
 * done here. Before any key is used the client's Finished and CertificateVerify are verified and its certificate is
 * held against the fingerprints of the offer. Once connected nothing unauthenticated reaches the library: a plain
 * ClientHello or alert from the peer's address changes nothing.
 */
export type DtlsPeer = {
  receive(datagram: Buffer): void;
  /** Sends close_notify when connected (RFC 5246 §7.2.1) and stops; later events are dropped. */
  close(): void;
};

/** What a DTLS peer tells; at most one of `onConnected` then at most one of `onClosed`. */
export type DtlsEvents = {
  onConnected(keys: { local: SrtpMaster; remote: SrtpMaster }): void;
  onClosed(reason: 'closed' | 'failed', detail: string): void;
};

/** A self-signed ECDSA P-256 certificate; `fingerprint` is the value of an `a=fingerprint` line. */
export type DtlsCertificate = {
  certPem: string;
  keyPem: string;
  signatureHash: Awaited<ReturnType<typeof CipherContext.createSelfSignedCertificateWithKey>>['signatureHash'];
  fingerprint: string;
};

const aeadAes128Gcm = 7;
const mostHandshakeDatagrams = 300;
const longestHandshakeMessage = 16 * 1024;
const handshakeType = { certificateVerify: 15, finished: 20 } as const;
/** Header and verify_data of a Finished that is not fragmented (RFC 6347 §4.2.2, RFC 5246 §7.4.9). */
const finishedBytes = 12 + 12;
/** The two SignatureAndHashAlgorithm values that werift's CertificateRequest asks for: RSA and ECDSA with SHA-256. */
const acceptedSignatures: readonly number[] = [0x0401, 0x0403];

/** Makes the certificate that an endpoint uses for its whole life. */
export const createDtlsCertificate = async (): Promise<DtlsCertificate> => {
  const made = await CipherContext.createSelfSignedCertificateWithKey(
    { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 },
    NamedCurveAlgorithm.secp256r1_23,
  );
  return { ...made, fingerprint: `sha-256 ${new X509Certificate(made.certPem).fingerprint256}` };
};

/** Waits for a client's handshake on a path that ICE has authenticated. */
export const acceptDtls = (
  certificate: DtlsCertificate,
  expected: readonly Fingerprint[],
  send: (datagram: Buffer) => void,
  events: DtlsEvents,
): DtlsPeer => {
  let state: 'handshake' | 'connected' | 'closed' = 'handshake';
  let datagrams = 0;
  const transport = createTransport((datagram) => {
    if (state !== 'closed') send(datagram);
  });
  const server = new DtlsServer({
    cert: certificate.certPem,
    key: certificate.keyPem,
    signatureHash: certificate.signatureHash,
    srtpProfiles: [aeadAes128Gcm],
    extendedMasterSecret: true,
    certificateRequest: true,
    transport,
  });
  const stop = (reason: 'closed' | 'failed', detail: string) => {
    if (state === 'closed') return;
    state = 'closed';
    stopFlights(server);
    events.onClosed(reason, detail);
  };
  server.onError.subscribe((error) => {
    if (state === 'handshake')
      stop('failed', error instanceof Error && error.message ? error.message : 'no common SRTP profile');
  });
  server.onConnect.subscribe(() => {
    if (state !== 'handshake') return;
    const fault = findFault(server, expected);
    if (fault !== null) return stop('failed', fault);
    state = 'connected';
    const { localKey, localSalt, remoteKey, remoteSalt } = server.extractSessionKeys(16, 12);
    events.onConnected({ local: { key: localKey, salt: localSalt }, remote: { key: remoteKey, salt: remoteSalt } });
  });
  return {
    receive: (datagram) => {
      const records = parseDtlsRecords(datagram);
      if (state === 'closed' || records === null) return;
      if (state === 'connected' && records.some((record) => isClosingAlert(server, record))) {
        return stop('closed', 'close_notify');
      }
      const isWanted = state === 'connected' ? isRepeatedFinished : isHandshakeStep;
      const wanted = records.filter((record) => isWanted(record, server));
      if (wanted.length === 0 || ++datagrams > mostHandshakeDatagrams) return;
      transport.onData(Buffer.concat(wanted.map((record) => record.bytes)), ['', 0]);
    },
    close: () => {
      if (state === 'connected') send(closeNotify(server));
      state = 'closed';
      stopFlights(server);
    },
  };
};

type Server = InstanceType<typeof DtlsServer>;

const createTransport = (send: (datagram: Buffer) => void): Server['options']['transport'] => ({
  type: 'udp',
  address: { address: '', family: 'IPv4', port: 0 },
  closed: false,
  onData: () => {},
  send: async (datagram: Buffer) => send(datagram),
  close: async () => {},
});

/**
 * Ends the retransmission of a handshake, which would else go on for half a minute and keep the process alive:
 * werift's flights sleep, look whether the next one has begun, and send again. Nothing can be received afterwards.
 */
export const stopFlights = (socket: DtlsSocket): void => {
  Object.defineProperty(socket.dtls, 'flight', { get: () => Number.MAX_SAFE_INTEGER, set: () => {} });
};

const isHandshakeStep = (record: DtlsRecord): boolean => {
  if (record.type === dtlsContent.changeCipherSpec) return true;
  if (record.type !== dtlsContent.handshake) return false;
  return (
    record.epoch > 0 || (record.fragment.length >= 12 && record.fragment.readUIntBE(1, 3) <= longestHandshakeMessage)
  );
};

// Connected, only the client's repeated Finished is of use: it is answered with ours again. An encrypted ClientHello
// would make the library begin a renegotiation, which throws the keys away.
const isRepeatedFinished = (record: DtlsRecord, server: Server): boolean => {
  const message = record.type === dtlsContent.handshake ? decrypted(server, record) : null;
  return message?.length === finishedBytes && message.readUInt8(0) === handshakeType.finished;
};

const isClosingAlert = (server: Server, record: DtlsRecord): boolean => {
  const alert = record.type === dtlsContent.alert ? decrypted(server, record) : null;
  return alert?.length === 2 && (alert.readUInt8(0) === 2 || alert.readUInt8(1) === 0);
};

const decrypted = (server: Server, record: DtlsRecord): Buffer | null => {
  if (record.epoch === 0) return null;
  try {
    return server.cipher.decryptPacket(toPlaintext(record));
  } catch {
    return null;
  }
};

// Far above the few numbers the handshake used in this epoch, so that no nonce repeats.
const closeNotifySequence = 0x1_0000;

const closeNotify = (server: Server): Buffer => {
  const record = { type: dtlsContent.alert, epoch: 1, sequence: closeNotifySequence, fragment: Buffer.from([1, 0]) };
  const encrypted = server.cipher.encryptPacket(toPlaintext(record)).fragment;
  return encodeDtlsRecord({ ...record, fragment: encrypted });
};

const toPlaintext = (record: Omit<DtlsRecord, 'bytes'>): Parameters<Server['cipher']['decryptPacket']>[0] =>
  ({
    recordLayerHeader: {
      contentType: record.type,
      protocolVersion: { major: 0xfe, minor: 0xfd },
      epoch: record.epoch,
      sequenceNumber: record.sequence,
      contentLen: record.fragment.length,
    },
    fragment: record.fragment,
  }) as Parameters<Server['cipher']['decryptPacket']>[0];

const findFault = (server: Server, expected: readonly Fingerprint[]): string | null => {
  if (server.srtp.srtpProfile !== aeadAes128Gcm) return 'the peer does not offer SRTP with AEAD_AES_128_GCM';
  const certificate = server.remoteCertificate;
  if (certificate === undefined) return 'the peer sent no certificate';
  if (!expected.some(({ algorithm, value }) => hashOf(certificate, algorithm) === value)) {
    return 'the certificate of the peer is not the one named in its offer';
  }
  try {
    if (!isSignedBy(server, certificate)) return 'the CertificateVerify of the peer is not valid';
    return isFinishedRight(server) ? null : 'the Finished of the peer is not valid';
  } catch {
    return 'the handshake of the peer cannot be verified';
  }
};

const hashOf = (certificate: Buffer, algorithm: Fingerprint['algorithm']): string =>
  createHash(algorithm.replace('-', '')).update(certificate).digest('hex').toUpperCase();

const messagesBefore = (server: Server, type: number): { transcript: Buffer; body: Buffer } => {
  const messages = server.dtls.sortedHandshakeCache;
  const end = messages.findIndex((message) => message.msg_type === type && message.fragment.length > 0);
  if (end < 0) throw new Error(`handshake message ${type} is missing`);
  const transcript = Buffer.concat(messages.slice(0, end).map((message) => message.serialize()));
  return { transcript, body: messages[end]?.fragment ?? Buffer.alloc(0) };
};

/** RFC 5246 §7.4.8. */
const isSignedBy = (server: Server, certificate: Buffer): boolean => {
  const { transcript, body } = messagesBefore(server, handshakeType.certificateVerify);
  if (!acceptedSignatures.includes(body.readUInt16BE(0))) return false;
  const signature = body.subarray(4, 4 + body.readUInt16BE(2));
  return verify('sha256', transcript, new X509Certificate(certificate).publicKey, signature);
};

/** RFC 5246 §7.4.9: the first 12 bytes of the PRF over the hash of all messages before. */
const isFinishedRight = (server: Server): boolean => {
  const { transcript, body } = messagesBefore(server, handshakeType.finished);
  const seed = Buffer.concat([Buffer.from('client finished'), createHash('sha256').update(transcript).digest()]);
  const hmac = (data: Buffer) => createHmac('sha256', server.cipher.masterSecret).update(data).digest();
  const expected = hmac(Buffer.concat([hmac(seed), seed])).subarray(0, 12);
  return body.length === expected.length && timingSafeEqual(body, expected);
};
