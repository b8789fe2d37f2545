/** A plain account of what a federation takes from a device, for its owner to agree to. */
import type { FederationSettings } from '../server/settings.ts';

export function whatLeaves(settings: FederationSettings): string {
  const { name, mode, cohort, minimumCohort, rounds, training, privacy, weighting, evaluation, asynchronous } =
    settings;
  const what = training.lora ? `an adapter of rank ${training.lora.rank}` : 'all weights';
  const lines = [
    asynchronous
      ? `The federation "${name}" trains ${what} on the texts of its devices, in ${rounds} versions of up to ${cohort} updates. Your device may contribute to each.`
      : `The federation "${name}" trains ${what} on the texts of up to ${cohort} devices, in ${rounds} rounds.`,
    'Your texts stay on this device.',
  ];
  if (mode === 'secure')
    lines.push(
      `Your update is masked: the server learns only the sum of the updates of at least ${minimumCohort} devices.`,
    );
  else lines.push('The server SEES YOUR UPDATE, and may infer something about your texts from it.');
  if (privacy)
    lines.push(
      privacy.noise === 'distributed'
        ? `Noise is added to your update before it leaves (ε = ${privacy.epsilon}, δ = ${privacy.delta} in total).`
        : `The server adds noise to the sum before it uses it (ε = ${privacy.epsilon}, δ = ${privacy.delta} in total).`,
    );
  else lines.push('No noise is added: there is no guarantee about what the trained model reveals.');
  if (evaluation)
    lines.push(
      `${Math.round(100 * evaluation.devices)}% of the devices do not train: they send the mean loss of the model on their texts${mode === 'secure' ? ', masked in the same way' : ''}.`,
    );
  lines.push(
    `What leaves: a public key that is your name, ${weighting === 'examples' ? 'the number of your tokens, ' : ''}the update${privacy ? '' : ` with the mean loss of its training${mode === 'secure' ? ' (masked too)' : ''}`}${mode === 'secure' ? ', and shares of keys' : ''}.`,
    'You can stop at any time; a sum that contains your update already keeps it.',
  );
  return lines.join('\n');
}
