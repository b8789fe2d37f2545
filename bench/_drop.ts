import { sumUnderDropout } from './federated/dropout.ts';
for (const [d, t] of [[0],[0.1], [0.3], [0.5,12]] as const) console.log(JSON.stringify(await sumUnderDropout(100, 1_000_000, d, 'update', t)));
