declare module 'shaka-player/dist/shaka-player.dash.js' {
  const shaka: {
    polyfill: { installAll: () => void };
    Player: new () => {
      attach: (video: HTMLVideoElement) => Promise<void>;
      load: (url: string, startSeconds?: number) => Promise<void>;
      destroy: () => Promise<void>;
      addEventListener: (type: string, listener: (event: unknown) => void) => void;
      getNetworkingEngine: () => {
        registerRequestFilter: (filter: (type: unknown, request: { headers: Record<string, string> }) => void) => void;
      } | null;
    };
  };
  export default shaka;
}
