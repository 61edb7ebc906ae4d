import type { TrackKind, VideoCodec } from '@weir/rtc';

/** What ffmpeg sends: its arguments for the inputs, for each track that there is, and for every output. */
export type MediaSource = {
  /** How a person calls it. */
  name: string;
  inputArgs: readonly string[];
  video: { args: readonly string[]; codec: VideoCodec; fmtp?: string } | null;
  audioArgs: readonly string[] | null;
  limitArgs: readonly string[];
  /** Null when it has no end of its own. */
  durationSeconds: number | null;
};

/** How media are sent: `size` such as `640x360`, null to leave it; a null duration is all of it. */
export type SendingOptions = {
  codec: VideoCodec;
  size: string | null;
  withAudio: boolean;
  durationSeconds: number | null;
};

/** What is sent where nothing else is said. */
export const defaultSending: SendingOptions = { codec: 'H264', size: null, withAudio: true, durationSeconds: null };

/** The tracks of a source, video first. */
export const kindsOf = ({ video, audioArgs }: MediaSource): TrackKind[] => [
  ...(video === null ? [] : ['video' as const]),
  ...(audioArgs === null ? [] : ['audio' as const]),
];

/** Audio as WebRTC has it: Opus, 48 kHz, stereo, 20 ms a packet (RFC 7587). */
export const opusArguments: readonly string[] = [
  ...['-c:a', 'libopus', '-ar', '48000', '-ac', '2', '-b:a', '96k', '-frame_duration', '20'],
];
