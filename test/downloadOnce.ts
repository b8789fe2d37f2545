/** Opens hf:owner/repo/x.gguf once: the other process of the cache's test. Arguments: cache folder, hub's URL. */
import { locateOnHub } from '../src/formats/download/hub.ts';

const [folder, endpoint] = process.argv.slice(2);
const { folder: repo, file } = locateOnHub('hf:owner/repo/x.gguf', { cache: { folder, endpoint } });
const source = await repo.open(file!);
await source!.finish?.();
await source!.close();
