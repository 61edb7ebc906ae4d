/** A WHIP publisher of coded frames and sound, in real time, without ffmpeg: many run in one process. */
import { encodeRtp } from '@weir/media';
import { whipPublish } from '@weir/rtc';
import { type PictureCodec, packetizePicture } from './coded-picture.ts';

/** What to publish where: 30 frames a second, and Opus packets of 20 ms each or none. */
export type PicturePublication = {
  url: string;
  token: string;
  codec: PictureCodec;
  frames: readonly Uint8Array[];
  sound: readonly Uint8Array[] | null;
};

type Due = { atMs: number; send(): void };

// So long what was lost can still be asked for.
const settleMs = 1_000;
const frameMs = 1000 / 30;
const soundMs = 20;

/** Publishes all of it and ends the session. Timestamps and sequence numbers wrap on the way. */
export const publishPictures = async (publication: PicturePublication): Promise<void> => {
  const { url, token, codec, frames, sound } = publication;
  const client = whipPublish({ url, token, video: { codec }, ...(sound === null ? {} : { audio: 'OPUS' }) });
  await client.connected;
  try {
    let sequence = 65_500;
    const pictures: Due[] = frames.map((frame, index) => ({
      atMs: index * frameMs,
      send: () => {
        const timestamp = (0xffff_0000 + index * 3000) % 2 ** 32;
        for (const { payload, marker } of packetizePicture(codec, frame, index)) {
          const fields = { payloadType: 96, ssrc: 1, sequence: sequence++ & 0xffff, timestamp };
          client.sendVideo(Buffer.from(encodeRtp({ ...fields, marker, payload })));
        }
      },
    }));
    const beeps: Due[] = (sound ?? []).map((payload, index) => ({
      atMs: index * soundMs,
      send: () => {
        const timestamp = (0xffff_f000 + index * 960) % 2 ** 32;
        const fields = { payloadType: 111, ssrc: 2, sequence: (65_530 + index) & 0xffff, timestamp };
        client.sendAudio(Buffer.from(encodeRtp({ ...fields, marker: index === 0, payload })));
      },
    }));
    const startedAtMs = performance.now();
    for (const { atMs, send } of [...pictures, ...beeps].sort((a, b) => a.atMs - b.atMs)) {
      const waitMs = startedAtMs + atMs - performance.now();
      if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
      send();
    }
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  } finally {
    await client.close();
  }
};
