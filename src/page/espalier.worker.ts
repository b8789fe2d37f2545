/**
 * The worker script, `espalier/worker`. It runs the engine for a page, or serves as a helper thread of that engine. The
 * script itself is small; it loads the engine while the page sends its first call.
 */
import { enterThread, setThreadFile, type ThreadMessage } from '../backends/wasm/threadFile.ts';
import { setBaseUrl } from '../core/baseUrl.ts';
import { functionsFor } from './allFunctions.ts';
import { Host } from './host.ts';
import type { ToPage, ToWorker } from './messages.ts';

interface WorkerScope {
  readonly location: { readonly href: string };
  onmessage: ((event: { readonly data: ToWorker | ThreadMessage }) => void) | null;
  postMessage(message: ToPage | 'ready', transfer?: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;
const host = new Host(functionsFor, (message, transfer) => scope.postMessage(message, transfer));

scope.onmessage = ({ data }) => {
  if (data.type === 'thread') enterThread(data.setup, () => scope.postMessage('ready'));
  else if (data.type === 'start') {
    setBaseUrl(data.base);
    setThreadFile(data.file);
    void functionsFor('load');
  } else host.receive(data);
};
scope.postMessage({ type: 'ready' });
