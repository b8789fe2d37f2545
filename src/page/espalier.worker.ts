/**
 * The worker's file, `espalier/worker`: runs the engine for a page, or is a helper thread of one that runs there. It
 * starts small, and fetches the engine while the page's first call is on its way.
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
