/** Maps Hugging Face's names of activations to ours. */
import type { ActivationKind } from '../../graph/ops/activation.ts';
import type { FolderConfig } from './config.ts';

const kinds: Readonly<Record<string, ActivationKind | 'xielu'>> = {
  gelu: 'geluErf',
  gelu_accurate: 'gelu',
  gelu_fast: 'gelu',
  gelu_new: 'gelu',
  gelu_python: 'geluErf',
  gelu_python_tanh: 'gelu',
  gelu_pytorch_tanh: 'gelu',
  quick_gelu: 'quickGelu',
  relu: 'relu',
  relu2: 'relu2',
  sigmoid: 'sigmoid',
  silu: 'silu',
  swish: 'silu',
  tanh: 'tanh',
  xielu: 'xielu',
};

/** Returns the activation that a field names. @throws {UnsupportedError} if it is unknown */
export function activationKind(config: FolderConfig, field: string): string {
  const name = config.text(field);
  if (name === undefined) throw config.wrong(field, 'the name of an activation', name);
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (!kind) throw config.unsupported(field, name, Object.keys(kinds));
  return kind;
}
