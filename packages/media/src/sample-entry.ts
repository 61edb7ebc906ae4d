import { findBox } from './box-reader.ts';
import { ascii, box, u8, u16, u32, zeros } from './boxes.ts';

/** Bytes of a sample entry, with its box header, before the boxes in it; and where a picture's width and height stand. */
export const visualEntryBytes = 86;
export const audioEntryBytes = 36;
export const visualSizeAt = 32;

/** Reads the contents of the box of this type in a sample entry with so many fixed bytes; null when it is not there. */
export const contentOf =
  (type: string, fixedBytes: number) =>
  (entry: Uint8Array): Uint8Array | null => {
    const found = findBox(entry, [type], fixedBytes);
    return found === null ? null : entry.slice(found.content, found.end);
  };

/** VisualSampleEntry around a configuration box, sizes in pixels (ISO/IEC 14496-12 §12.1.3). */
export const visualSampleEntry = (type: string, width: number, height: number, configuration: Uint8Array): Uint8Array =>
  box(
    type,
    zeros(6),
    u16(1),
    zeros(16),
    u16(width, height),
    u32(0x0048_0000, 0x0048_0000, 0),
    u16(1),
    u8(0),
    ascii(''.padEnd(31, '\0')),
    u16(0x0018, 0xffff),
    configuration,
  );

/** AudioSampleEntry around a configuration box, `sampleRate` in Hz (ISO/IEC 14496-12 §12.2.3). */
export const audioSampleEntry = (
  type: string,
  channels: number,
  sampleRate: number,
  configuration: Uint8Array,
): Uint8Array =>
  box(type, zeros(6), u16(1), zeros(8), u16(channels, 16, 0, 0), u32(sampleRate * 0x1_0000), configuration);
