/**
 * Watches the fixed headers of an MQTT byte stream (MQTT 3.1.1 §2.2): false for the chunk that begins a packet longer
 * than `maxBytes` or has a malformed length. State: inside a header (`digits` counts its length bytes) or a body.
 */
export const packetSizeGuard = (maxBytes: number): ((chunk: Uint8Array) => boolean) => {
  let left = 0;
  let digits = -1;
  let length = 0;
  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (left > 0) {
        const step = Math.min(left, chunk.length - at);
        left -= step;
        at += step;
        continue;
      }
      const byte = chunk[at] ?? 0;
      at += 1;
      if (digits < 0) {
        digits = 0;
        length = 0;
        continue;
      }
      length += (byte & 0x7f) * 128 ** digits;
      digits += 1;
      if (length > maxBytes || digits > 4) return false;
      if ((byte & 0x80) !== 0) continue;
      left = length;
      digits = -1;
    }
    return true;
  };
};
