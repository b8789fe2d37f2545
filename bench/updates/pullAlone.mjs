// Pulls a package in a process of its own and prints the peak of its memory. argv: folder of the store, URL; --idle: only fetches the pointer
import { readFileSync } from 'node:fs';
import { openRemote, openStore, pull } from '../../dist/package/index.js';

const [store, url, idle] = process.argv.slice(2);
const remote = await openRemote(url);
if (idle) await (await remote.open('latest.json', 0, 1000)).close();
else await pull(openStore(store), remote);
// maxRSS would begin with the memory of the process that started this one
const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
console.log(JSON.stringify({ maxMegabytes: (1.024 * Number(kilobytes)) / 1000 }));
