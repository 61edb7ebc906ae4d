/** One file that mediabunny writes: H264 and Opus in a fragmented MP4, times in seconds. Nothing is synced to the disk. */
export type MediabunnyMuxer = {
  /** `avcC` is the picture's decoder configuration; only that of the first picture counts. */
  video(sample: Uint8Array, key: boolean, seconds: number, duration: number, avcC: Uint8Array): Promise<void>;
  audio(packet: Uint8Array, seconds: number, duration: number): Promise<void>;
  close(): Promise<void>;
};

/** Opens a file of so many pixels with a fragment for each `fragmentSeconds` of media. */
export const openMediabunnyMuxer = async (
  path: string,
  { width, height, fragmentSeconds }: { width: number; height: number; fragmentSeconds: number },
): Promise<MediabunnyMuxer> => {
  // Loaded by those who ask for it: testkit is imported by all tests.
  const { EncodedAudioPacketSource, EncodedPacket, EncodedVideoPacketSource, FilePathTarget, Mp4OutputFormat, Output } =
    await import('mediabunny');
  const format = new Mp4OutputFormat({ fastStart: 'fragmented', minimumFragmentDuration: fragmentSeconds });
  const output = new Output({ format, target: new FilePathTarget(path) });
  const pictures = new EncodedVideoPacketSource('avc');
  const sound = new EncodedAudioPacketSource('opus');
  output.addVideoTrack(pictures);
  output.addAudioTrack(sound);
  await output.start();
  const dimensions = { codedWidth: width, codedHeight: height };
  return {
    video: (sample, key, seconds, duration, avcC) => {
      const codec = `avc1.${Buffer.from(avcC.subarray(1, 4)).toString('hex')}`;
      const packet = new EncodedPacket(sample, key ? 'key' : 'delta', seconds, duration);
      return pictures.add(packet, { decoderConfig: { codec, ...dimensions, description: avcC } });
    },
    audio: (bytes, seconds, duration) => {
      const decoderConfig = { codec: 'opus', numberOfChannels: 2, sampleRate: 48_000 };
      return sound.add(new EncodedPacket(bytes, 'key', seconds, duration), { decoderConfig });
    },
    close: () => output.finalize(),
  };
};
