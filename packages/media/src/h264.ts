import type { Depacketizer } from './access-unit.ts';
import { encodeAvcC, type ParameterSets } from './h264-parameter-sets.ts';
import { addH264Payload, type H264Unit, h264Rules, isH264Start } from './h264-unit.ts';
import { beginNalUnit } from './nal-unit.ts';
import { parameterSetKeeper } from './parameter-set-keeper.ts';
import { unitDepacketizer } from './unit-depacketizer.ts';

/** What a depacketizer knows before the first packet: parameter sets out of band, and that it goes on without a hole. */
export type H264Start = { parameterSets?: ParameterSets | null; intact?: boolean };

/**
 * H.264 packets in order (RFC 6184, packetization modes 0 and 1) to access units of 4-byte length prefixed NAL units,
 * without SPS, PPS, AUD and filler.
 */
export const h264Depacketizer = (start: H264Start = {}): Depacketizer => {
  const keeper = parameterSetKeeper(h264Rules.kinds, start.parameterSets ?? null, encodeAvcC);
  return unitDepacketizer<H264Unit>(
    {
      begin: (packet) => beginNalUnit(h264Rules, packet),
      add: addH264Payload,
      isStart: (payload) => isH264Start(payload, keeper.inBand()),
      complete: keeper.configurationFor,
    },
    start.intact ?? false,
  );
};
