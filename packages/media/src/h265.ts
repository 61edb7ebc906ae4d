import type { Depacketizer } from './access-unit.ts';
import { encodeHvcC, type H265ParameterSets } from './h265-parameter-sets.ts';
import { addH265Payload, type H265Unit, h265NalType, h265Rules, isH265Start, isRandomAccess } from './h265-unit.ts';
import { beginNalUnit } from './nal-unit.ts';
import { parameterSetKeeper } from './parameter-set-keeper.ts';
import { unitDepacketizer } from './unit-depacketizer.ts';

/** What a depacketizer knows before the first packet: parameter sets out of band, and that it goes on without a hole. */
export type H265Start = { parameterSets?: H265ParameterSets | null; intact?: boolean };

/**
 * H.265 packets in order (RFC 7798, one stream, no DONL) to access units of 4-byte length prefixed NAL units, without
 * parameter sets, delimiters and filler. Pictures that lead a CRA or BLA picture and refer to what came before it
 * (RASL) are dropped where that is not there.
 */
export const h265Depacketizer = (start: H265Start = {}): Depacketizer => {
  const keeper = parameterSetKeeper(h265Rules.kinds, start.parameterSets ?? null, encodeHvcC);
  let broken = !(start.intact ?? false);
  let dropsLeading = broken;
  return unitDepacketizer<H265Unit>(
    {
      begin: (packet) => ({ ...beginNalUnit(h265Rules, packet), sliceType: null }),
      add: addH265Payload,
      isStart: (payload) => isH265Start(payload, keeper.inBand()),
      complete: (unit) => {
        const configuration = keeper.configurationFor(unit);
        const type = unit.sliceType ?? 0;
        if (isRandomAccess(type)) {
          dropsLeading = broken || type <= h265NalType.blaLast;
          broken = false;
        }
        const leads = type === h265NalType.raslN || type === h265NalType.raslR;
        return leads && dropsLeading ? 'leave-out' : configuration;
      },
      broken: () => {
        broken = true;
      },
    },
    start.intact ?? false,
  );
};
