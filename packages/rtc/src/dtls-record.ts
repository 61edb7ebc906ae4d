/** One DTLS 1.2 record (RFC 6347 §4.1): `fragment` is encrypted when `epoch` is above 0; `bytes` is the whole record. */
export type DtlsRecord = { type: number; epoch: number; sequence: number; fragment: Buffer; bytes: Buffer };

/** Content types of records (RFC 5246 §6.2.1). */
export const dtlsContent = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

const headerBytes = 13;
const mostRecords = 16;

/** Splits a datagram into its records; null when it is not made of whole ones, or of more than 16. */
export const parseDtlsRecords = (datagram: Buffer): DtlsRecord[] | null => {
  const records: DtlsRecord[] = [];
  let offset = 0;
  while (offset < datagram.length) {
    if (records.length === mostRecords || datagram.length - offset < headerBytes) return null;
    const end = offset + headerBytes + datagram.readUInt16BE(offset + 11);
    if (end > datagram.length || datagram.readUInt8(offset + 1) !== 0xfe) return null;
    records.push({
      type: datagram.readUInt8(offset),
      epoch: datagram.readUInt16BE(offset + 3),
      sequence: datagram.readUIntBE(offset + 5, 6),
      fragment: datagram.subarray(offset + headerBytes, end),
      bytes: datagram.subarray(offset, end),
    });
    offset = end;
  }
  return records;
};

/** Writes one DTLS 1.2 record. */
export const encodeDtlsRecord = (record: Omit<DtlsRecord, 'bytes'>): Buffer => {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(record.type, 0);
  header.writeUInt16BE(0xfefd, 1);
  header.writeUInt16BE(record.epoch, 3);
  header.writeUIntBE(record.sequence, 5, 6);
  header.writeUInt16BE(record.fragment.length, 11);
  return Buffer.concat([header, record.fragment]);
};
