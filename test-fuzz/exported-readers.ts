/** Finds every exported function that by its name reads what others wrote. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const reader =
  /^export (?:const|function) ((?:(?:parse|decode|read|scan|unescape)[A-Z]\w*)|(?:split[A-Z]\w*)|(?:\w+(?:Depacketizer|Decoder|Reader|Guard|KeyFrameTest))|keyFrameTest|negotiate\w+)\b/gm;

const isSource = (path: string): boolean =>
  /^(packages|services)\/[^/]+\/src\/.*\.ts$/.test(path) &&
  !/(\.test|\.fixture|-fixture|\.d)\.ts$|\/(test|fake)-/.test(path);

/** All such functions of packages and services but the test kit, as `path#name`. */
export const exportedReaders = (): string[] =>
  ['packages', 'services']
    .flatMap((folder) =>
      readdirSync(`${root}${folder}`, { recursive: true }).map((name) => `${folder}/${String(name)}`),
    )
    .filter((path) => isSource(path) && !path.startsWith('packages/testkit/') && !path.includes('node_modules'))
    .flatMap((path) =>
      [...readFileSync(`${root}${path}`, 'utf8').matchAll(reader)].map((match) => `${path}#${match[1]}`),
    );
