/** The faults an offer can have, each with the HTTP status that names it: 400 not understood, 406 nothing in common, 422 understood and not supported. */
export const sdpFaults = {
  sdp_too_large: 400,
  sdp_malformed: 400,
  sdp_no_media: 400,
  sdp_no_ice: 400,
  sdp_no_fingerprint: 400,
  sdp_no_common_codec: 406,
  sdp_unsupported_media: 422,
  sdp_too_many_tracks: 422,
  sdp_direction: 422,
  sdp_setup: 422,
  sdp_rtcp_mux: 422,
  sdp_bundle: 422,
} as const;

/** A caller's mistake in an offer: `status` is the HTTP status to answer with, `code` one of `sdpFaults`. */
export class SdpError extends Error {
  readonly code: keyof typeof sdpFaults;
  readonly status: 400 | 406 | 422;
  constructor(code: keyof typeof sdpFaults, message: string) {
    super(message);
    this.name = 'SdpError';
    this.code = code;
    this.status = sdpFaults[code];
  }
}
