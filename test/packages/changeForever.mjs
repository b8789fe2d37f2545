/**
 * A process that installs, updates, rolls back and collects a package until it is killed.
 * argv: folder of the store, dist folder, then one published folder per version; it begins when its parent sends a number, a seed.
 */
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [, , folder, dist, ...sites] = process.argv;
const from = (path) => import(pathToFileURL(`${dist}/${path}`).href);
const { pull } = await from('package/update/pull.js');
const { openRemote } = await from('package/update/remote.js');
const { PackageStore } = await from('formats/packages/packageStore.js');
const { deviceFiles } = await from('formats/packages/deviceFiles.node.js');
const remotes = await Promise.all(sites.map((site) => openRemote(site)));

process.once('message', async (seed) => {
  process.send('begun');
  for (let i = seed; ; i++) {
    const store = new PackageStore(deviceFiles(folder));
    const { name } = await pull(store, remotes[i % remotes.length], i % 3 === 0 ? { probe: () => setTimeout(20) } : {});
    if (i % 4 === 0) await store.changing(name, () => store.rollback(name)).catch(ifNoPrevious);
    if (i % 2 === 0) await store.collect();
    process.send('round');
  }
});
process.send('ready');

function ifNoPrevious(error) {
  if (error.code !== 'NO_PREVIOUS') throw error;
}
