import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The numbers of one service, in a registry of their own; names get the prefix `weir_`. */
export type Metrics = {
  registry: Registry;
  /** A number that only grows. */
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /** A number that goes up and down; `collect` sets it when it is asked for. */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    collect?: (gauge: Gauge<L>) => void | Promise<void>,
  ): Gauge<L>;
  /** Durations or sizes in buckets, in the unit that the name ends in. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels: readonly L[],
    buckets: number[],
  ): Histogram<L>;
  /** A counter read from a plain number when it is asked for: for hot paths that count with `+= 1`. */
  counted(name: string, help: string, read: () => number): void;
  /** The Prometheus text format and its media type. */
  text(): Promise<string>;
  contentType: string;
};

/** Makes the registry of a service, with the process metrics (`process_*`, `nodejs_*`) unless told otherwise. */
export const createMetrics = (service: string, { processMetrics = true } = {}): Metrics => {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  // The library looks at the event loop a hundred times a second unless told otherwise, and wakes an idle process each time.
  if (processMetrics) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1_000 });
  const base = (name: string, help: string) => ({ name: `weir_${name}`, help, registers: [registry] });
  return {
    registry,
    counter: (name, help, labels = []) => new Counter({ ...base(name, help), labelNames: [...labels] }),
    gauge: (name, help, labels = [], collect) =>
      new Gauge({
        ...base(name, help),
        labelNames: [...labels],
        ...(collect === undefined
          ? {}
          : {
              collect() {
                return collect(this);
              },
            }),
      }),
    histogram: (name, help, labels, buckets) =>
      new Histogram({ ...base(name, help), labelNames: [...labels], buckets }),
    counted: (name, help, read) => {
      const counter: Counter = new Counter({
        ...base(name, help),
        collect() {
          counter.reset();
          counter.inc(read());
        },
      });
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
};
