import { startHelper } from './helper-process.ts';
import type { PublisherReport, PublishOrder } from './publishers.ts';

/** Publishers of many streams, in as many processes as it takes so that each keeps real time. */
export type PublisherGroup = {
  start(order: PublishOrder): Promise<void>;
  /** Ends the sessions. */
  stop(): Promise<PublisherReport>;
};

/** Several reports as one. */
export const sumOfReports = (reports: readonly PublisherReport[]): PublisherReport => {
  const sum = (read: (report: PublisherReport) => number) => reports.reduce((total, each) => total + read(each), 0);
  return {
    packets: sum(({ packets }) => packets),
    frames: sum(({ frames }) => frames),
    unsent: sum(({ unsent }) => unsent),
    behindMs: sum(({ behindMs }) => behindMs),
    keyFrameRequests: sum(({ keyFrameRequests }) => keyFrameRequests),
  };
};

/** What one process encrypts and sends in half of a core. */
const mostStreams = 17;

/** Starts the processes for so many streams; they end with the stack. */
export const startPublishers = (stack: AsyncDisposableStack, streams: number): PublisherGroup => {
  const count = Math.ceil(streams / mostStreams);
  const helpers = Array.from({ length: count }, () => stack.use(startHelper('./publishers.ts')));
  return {
    start: async ({ targets, pacing }) => {
      const orders = helpers.map((_, at): PublishOrder => {
        const own = targets.map((target, index) => ({ target, index })).filter(({ index }) => index % count === at);
        return { targets: own.map(({ target }) => target), seeds: own.map(({ index }) => index), pacing };
      });
      await Promise.all(helpers.map((helper, at) => helper.ask('start', orders[at])));
    },
    stop: async () => {
      const reports = await Promise.all(helpers.map((helper) => helper.ask<PublisherReport>('stop')));
      return sumOfReports(reports);
    },
  };
};
