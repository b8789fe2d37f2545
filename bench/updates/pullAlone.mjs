// Pulls a package in a process of its own and prints the peak of its memory. argv: folder of the store, URL; --idle: only fetches the pointer
import { openRemote, openStore, pull } from '../../dist/package/index.js';

const [store, url, idle] = process.argv.slice(2);
const remote = await openRemote(url);
if (idle) await (await remote.open('latest.json', 0, 1000)).close();
else await pull(openStore(store), remote);
console.log(JSON.stringify({ maxMegabytes: process.resourceUsage().maxRSS / 1000 }));
