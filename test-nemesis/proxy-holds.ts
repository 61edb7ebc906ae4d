/** Several faults may hold one proxy at a time: it passes again when the last of them lets go. */
import type { TcpProxy, TcpProxyMode } from '@weir/testkit';

/** Holds proxies in a mode until the function it returns is called. */
export type ProxyHolds = (proxies: readonly TcpProxy[], mode: Exclude<TcpProxyMode, 'pass'>) => () => void;

/** Makes it. */
export const proxyHolds = (): ProxyHolds => {
  const held = new Map<TcpProxy, TcpProxyMode[]>();
  const apply = (proxy: TcpProxy): void => {
    const modes = held.get(proxy) ?? [];
    proxy.set(modes.includes('refuse') ? 'refuse' : modes.includes('stall') ? 'stall' : 'pass');
  };
  return (proxies, mode) => {
    for (const proxy of proxies) {
      held.set(proxy, [...(held.get(proxy) ?? []), mode]);
      apply(proxy);
    }
    return () => {
      for (const proxy of proxies) {
        const modes = held.get(proxy) ?? [];
        modes.splice(modes.indexOf(mode), 1);
        apply(proxy);
      }
    };
  };
};
