/**
 * A WHIP publisher of numbered pictures in real time. A picture gets a number only when it is sent over a connection;
 * what an encoder makes in between was never published. Behind each new connection a key frame comes first.
 */
import { encodeRtp, packetizeH264 } from '@weir/media';
import { type WhipClient, whipPublish } from '@weir/rtc';
import type { PublishedFrame } from './accounting.ts';
import { type FrameSource, numberPicture } from './numbered-frames.ts';

/** Where and what to publish. */
export type PublisherOptions = {
  url: string;
  token: string;
  stream: string;
  source: FrameSource;
  hasSound: boolean;
};

/** A publisher that runs. */
export type NumberedPublisher = {
  readonly stream: string;
  readonly published: readonly PublishedFrame[];
  /** Resolves with the moment at which it is connected, at once when it is. */
  connected(): Promise<number>;
  /** Gives its session up as lost and opens another one. */
  reconnect(): Promise<number>;
  /** Leaves, and comes back when that resolves; resolves once connected again. */
  leave(until: Promise<void>): Promise<number>;
  /** The same without a farewell, as a process that is killed: the node takes it for there until it finds it silent. */
  die(until: Promise<void>): Promise<number>;
  /** Sends what is in hand and ends the session. */
  end(): Promise<void>;
};

const MAX_PAYLOAD_BYTES = 1100;
const RETRY_MS = 150;
const SOUND_MS = 20;
// So long what was lost can still be asked for.
const SETTLE_MS = 700;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Starts one; it connects by itself and goes on until its end. */
export const startNumberedPublisher = (options: PublisherOptions): NumberedPublisher => {
  const { url, token, stream, source, hasSound } = options;
  const published: PublishedFrame[] = [];
  const startedMs = performance.now();
  let client: WhipClient | null = null;
  let opening: Promise<number> | null = null;
  let isAway = false;
  let isKilled = false;
  let isEnding = false;
  let position = 0;
  let [videoSequence, soundSequence] = [65_500, 65_530];

  // Closing sends nothing but the DELETE; without it the sockets just go, as with their process.
  const ask: typeof fetch = (input, init) =>
    isKilled && init?.method === 'DELETE' ? Promise.reject(new Error('killed')) : fetch(input, init);
  const open = async (): Promise<number> => {
    for (;;) {
      if (isEnding) throw new Error(`${stream}: the run ended before the publisher was connected`);
      const next = whipPublish({
        url,
        token,
        fetch: ask,
        video: { codec: 'H264' },
        ...(hasSound ? { audio: 'OPUS' } : {}),
      });
      try {
        await next.connected;
        position = 0;
        client = next;
        void next.closed.then(() => {
          if (client !== next) return;
          client = null;
          if (!isAway && !isEnding) void connected().catch(() => {});
        });
        return Date.now();
      } catch {
        await next.close().catch(() => {});
        await pause(RETRY_MS);
      }
    }
  };
  const connected = (): Promise<number> => {
    if (client !== null) return Promise.resolve(Date.now());
    opening ??= open().finally(() => {
      opening = null;
    });
    return opening;
  };
  const drop = async (): Promise<void> => {
    const old = client;
    client = null;
    await old?.close().catch(() => {});
  };

  const away = async (until: Promise<void>): Promise<number> => {
    isAway = true;
    await drop();
    isKilled = false;
    await until;
    isAway = false;
    return connected();
  };

  const sendPicture = (slot: number): void => {
    if (client === null || isAway) return;
    const picture = source.pictures[position % source.pictures.length];
    if (picture === undefined) return;
    position += 1;
    const number = published.length;
    const nals = numberPicture(picture.nals, stream, number);
    const timestamp = (0xffff_0000 + Math.round((slot * 90_000) / source.fps)) % 2 ** 32;
    published.push({ number, sentMs: Date.now() });
    for (const { payload, marker } of packetizeH264(nals, MAX_PAYLOAD_BYTES)) {
      const fields = { payloadType: 96, ssrc: 1, sequence: videoSequence++ & 0xffff, timestamp };
      client.sendVideo(Buffer.from(encodeRtp({ ...fields, marker, payload })));
    }
  };
  const sendSound = (slot: number): void => {
    const payload = source.sound[slot % source.sound.length];
    if (client === null || isAway || payload === undefined) return;
    const timestamp = (0xffff_f000 + slot * 960) % 2 ** 32;
    const fields = { payloadType: 111, ssrc: 2, sequence: soundSequence++ & 0xffff, timestamp };
    client.sendAudio(Buffer.from(encodeRtp({ ...fields, marker: false, payload })));
  };

  let [pictureSlot, soundSlot] = [0, 0];
  const timer = setInterval(() => {
    const atMs = performance.now() - startedMs;
    for (; pictureSlot * (1000 / source.fps) <= atMs; pictureSlot++) sendPicture(pictureSlot);
    for (; soundSlot * SOUND_MS <= atMs; soundSlot++) if (hasSound) sendSound(soundSlot);
  }, SOUND_MS);

  void connected().catch(() => {});
  return {
    stream,
    published,
    connected,
    reconnect: async () => {
      await drop();
      return connected();
    },
    leave: away,
    die: (until) => {
      isKilled = true;
      return away(until);
    },
    end: async () => {
      clearInterval(timer);
      const last = client;
      last?.repeatLast();
      await pause(SETTLE_MS);
      isEnding = true;
      await drop();
    },
  };
};
