// Loaded before a service by `--import`: sources that NEMESIS_EDITS names, `[{ file, from, to }]`, are changed as they
// are loaded.
import { registerHooks } from 'node:module';

const edits = JSON.parse(process.env.NEMESIS_EDITS ?? '[]');

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const mine = edits.filter(({ file }) => url.endsWith(`/${file}`));
    if (mine.length === 0) return loaded;
    const source = mine.reduce((text, { from, to }) => text.replace(from, () => to), String(loaded.source));
    return { ...loaded, source };
  },
});
