// Pulls a package once, when its parent says so, and reports whether it changed. argv: folder of the store, dist folder, URL or folder of the package
import { pathToFileURL } from 'node:url';

const [, , folder, dist, location] = process.argv;
const { openRemote, openStore, pull } = await import(pathToFileURL(`${dist}/package/index.js`).href);
process.once('message', async () => {
  const { version, changed } = await pull(openStore(folder), await openRemote(location));
  process.send({ version, changed }, () => process.disconnect());
});
process.send('ready');
