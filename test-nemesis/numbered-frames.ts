/**
 * A picture that says which it is: an SEI message (ITU-T H.264 §D.1.7, unregistered user data) with stream and number
 * travels in front of the slices, and is read from the bucket's bytes by mediabunny, never by a reader of ours. So a
 * frame costs nothing to make and nothing to read, and a machine of two cores records several streams besides the faults.
 */
import { makeClip, makeSound, readMediaPackets } from '@weir/testkit';

/** Coded pictures without their numbers, a key frame in front of each group, and packets of sound. */
export type FrameSource = {
  fps: number;
  /** Pictures between key frames. */
  group: number;
  pictures: readonly { nals: readonly Uint8Array[]; key: boolean }[];
  sound: readonly Uint8Array[];
};

const SEI = 6;
const SLICE_TYPES = [1, 5];
const USER_DATA_UNREGISTERED = 5;
const STOP_BIT = 0x80;
// No byte of the identifier or of the text is zero, so nothing has to be escaped.
const IDENTIFIER = Buffer.from('weir-nemesis-sei');

/** Makes pictures and sound with ffmpeg, once for all runs. */
export const makeFrameSource = (): FrameSource => {
  const fps = 10;
  const { frames } = makeClip({ seconds: 4, fps, size: '160x90' });
  return { fps, group: fps, pictures: frames, sound: makeSound(4) };
};

const seiOf = (stream: string, number: number): Uint8Array => {
  const text = Buffer.concat([IDENTIFIER, Buffer.from(`:${stream}:${String(number).padStart(8, '0')};`)]);
  return Buffer.concat([Buffer.of(SEI, USER_DATA_UNREGISTERED, text.length), text, Buffer.of(STOP_BIT)]);
};

/** The NAL units of a picture with its number put in front of its slices. */
export const numberPicture = (nals: readonly Uint8Array[], stream: string, number: number): Uint8Array[] => {
  const slices = nals.findIndex((nal) => SLICE_TYPES.includes((nal[0] ?? 0) & 0x1f));
  return [...nals.slice(0, slices), seiOf(stream, number), ...nals.slice(slices)];
};

const LABEL = new RegExp(`${IDENTIFIER.toString()}:([^:;]+):(\\d{8});`, 'g');

/** What a file of video has, in decode order: the number of each picture, null where it has none of this stream. */
export const readNumbers = async (file: Uint8Array, stream: string): Promise<(number | null)[]> => {
  const packets = await readMediaPackets(file);
  return packets.map(({ data }) => {
    const found = [...Buffer.from(data).toString('latin1').matchAll(LABEL)];
    const [label] = found;
    return found.length === 1 && label?.[1] === stream ? Number(label[2]) : null;
  });
};
