/** Measures Espalier in a worker, as an application keeps its page responsive. */
export function measure(work) {
  const worker = new Worker('/espalierWorker.js', { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(work);
  });
}
