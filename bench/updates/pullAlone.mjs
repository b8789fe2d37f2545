// Pulls a package in a process of its own and prints the peak of its memory. argv: folder of the store, URL, --dry-run
import { openRemote, openStore, pull } from '../../dist/package/index.js';

const [store, url, dryRun] = process.argv.slice(2);
await pull(openStore(store), await openRemote(url), { dryRun: dryRun !== undefined });
console.log(JSON.stringify({ maxMegabytes: process.resourceUsage().maxRSS / 1000 }));
