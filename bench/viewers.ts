/** Many light viewers of one stream in one process. */
import { serveQuestions } from './helper-process.ts';
import { type Certificate, createCertificate } from './light-peer.ts';
import { type LightViewer, openLightViewer, type ViewerCounts } from './light-viewer.ts';

const together = 4;
const viewers: LightViewer[] = [];
let certificate: Certificate | undefined;

/** Adds viewers until there are `count`. */
const connect = async ({ url, token, count }: { url: string; token?: string; count: number }): Promise<void> => {
  certificate ??= await createCertificate();
  const ours = certificate;
  while (viewers.length < count) {
    const some = Math.min(together, count - viewers.length);
    const options = { url, ...(token === undefined ? {} : { token }) };
    viewers.push(...(await Promise.all(Array.from({ length: some }, () => openLightViewer(options, ours)))));
  }
};

const report = (): ViewerCounts => {
  const sum: ViewerCounts = { packets: 0, bytes: 0, lost: 0, odd: 0, opened: 0 };
  for (const viewer of viewers) {
    const counts = viewer.counts();
    for (const key of Object.keys(sum) as (keyof ViewerCounts)[]) sum[key] += counts[key];
  }
  return sum;
};

serveQuestions({ connect, report });
