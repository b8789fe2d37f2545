/** Embeds sentences with transformers.js (onnxruntime-web, WebAssembly) in a worker of a page. */
import { env, pipeline } from '/peer/transformers.js';

addEventListener('message', async ({ data: { sentences, threads, batch } }) => {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  // of a path alone, it checks which files there are
  env.localModelPath = '/';
  env.backends.onnx.wasm.wasmPaths = `${location.origin}/ort/`;
  env.backends.onnx.wasm.numThreads = threads;
  const extract = await pipeline('feature-extraction', 'onnxModel', { dtype: 'fp32', device: 'wasm' });
  const options = { pooling: 'mean', normalize: true };
  await extract(sentences.slice(0, 8), options);
  const started = performance.now();
  for (let at = 0; at < sentences.length; at += batch) await extract(sentences.slice(at, at + batch), options);
  postMessage({ seconds: (performance.now() - started) / 1000, threads });
});
