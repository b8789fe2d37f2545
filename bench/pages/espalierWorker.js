import { load, measureSpeed } from '/lib/espalier.js';

async function measure({ model: url, prefill, decode, runs, threads }) {
  const file = await (await fetch(url)).blob();
  const model = await load(file, { threads, context: prefill + decode, backend: 'wasm' });
  await measureSpeed(model, { prefill, decode, runs: 1 });
  return measureSpeed(model, { prefill, decode, runs });
}

addEventListener('message', ({ data }) =>
  measure(data).then(
    (readings) => postMessage(readings),
    (error) => postMessage({ error: String(error) }),
  ),
);
