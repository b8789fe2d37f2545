/** Downloads half of a URL into a cache, prints a line, and waits to be killed. Arguments: cache folder, URL. */
import { cachedUrl } from '../src/formats/download/urlCache.ts';

const [folder, url] = process.argv.slice(2) as [string, string];
const source = await cachedUrl(new URL(url), { folder });
await source.read(0, 500_000, new Uint8Array(500_000));
console.log('half');
setInterval(() => {}, 1000);
