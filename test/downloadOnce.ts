/** Opens hf:owner/repo/x.gguf once, as the second process of the cache tests. Arguments: cache folder, URL of the hub. */
import { locateOnHub } from '../src/formats/download/locateOnHub.ts';

const [folder, endpoint] = process.argv.slice(2);
const { folder: repo, file } = locateOnHub('hf:owner/repo/x.gguf', { cache: { folder, endpoint } });
const source = await repo.open(file!);
await source!.finish?.();
await source!.close();
