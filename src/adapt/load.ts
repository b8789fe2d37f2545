/** Loads a model that adapts to what the device can give. */
import { OptionError } from '../core/errors.ts';
import type { CheckpointSource } from '../formats/open.ts';
import { load as loadModel } from '../runtime/load.ts';
import type { LoadOptions as ModelOptions } from '../runtime/loadOptions.ts';
import type { Model } from '../runtime/model.ts';
import type { AdaptEvent } from './governedPacer.ts';
import type { AdaptLimits } from './limits.ts';
import type { Sensors } from './sensors/signals.ts';

export interface AdaptOptions extends AdaptLimits {
  /** Called when the plan changes, its share of time by 10% or more, or which limits are not kept. */
  readonly onChange?: (event: AdaptEvent) => unknown;
  /** Reads the signals instead of this device's sensors, e.g. in a native shell that knows more. */
  readonly sensors?: Sensors;
}

export interface LoadOptions extends ModelOptions {
  /**
   * Chooses threads and pauses by temperature, battery, other load and deadline, at the borders of tokens. 'auto' keeps what the device
   * says of itself; an object adds limits of its own. Default 'off'.
   *
   *     load('model.gguf', { adapt: { deadlineMs: 50, onChange: ({ why }) => console.log(why) } });
   */
  readonly adapt?: 'off' | 'auto' | AdaptOptions;
  /**
   * Source of a smaller model with the same tokens. It drafts the next tokens, and this model verifies several in one step, where that is
   * faster on this device. The text is the same as without. After `model.update()` drafts are copied from the text only.
   */
  readonly draftModel?: CheckpointSource;
}

/**
 * @param source a path, a URL, `hf:owner/repo/file.gguf`, bytes, or a File: a GGUF file (one or several parts)
 *   or a Hugging Face folder
 * @throws {MemoryError} if it does not fit, before the weights are read @throws {FormatError} if a file is broken
 * @throws {SourceError} if a file cannot be read @throws {UnsupportedError} @throws {OptionError} @throws the signal's reason
 * @internal @param limits what the caller knows to hold the model back, for `model.backend.limits`
 */
export async function load(
  source: CheckpointSource,
  { adapt = 'off', draftModel, ...options }: LoadOptions = {},
  limits: readonly string[] = [],
): Promise<Model> {
  const whole = () => loadWithDrafts(source, draftModel, options, limits);
  if (adapt === 'off') return whole();
  if (adapt !== 'auto' && (typeof adapt !== 'object' || adapt === null))
    throw new OptionError('adapt', String(adapt), "'off', 'auto' or an object of limits");
  const { onChange, sensors, ...own } = adapt === 'auto' ? {} : adapt;
  checkHooks(onChange, sensors);
  // fetched only by those who adapt
  const { govern } = await import('./govern.ts');
  return govern(own, { onChange, sensors }, whole);
}

/** Loads a model, and the smaller one that drafts for it, if any. */
async function loadWithDrafts(
  source: CheckpointSource,
  draftModel: CheckpointSource | undefined,
  options: ModelOptions,
  limits: readonly string[],
): Promise<Model> {
  if (
    draftModel !== undefined &&
    typeof draftModel !== 'string' &&
    (typeof draftModel !== 'object' || draftModel === null)
  )
    throw new OptionError('draftModel', String(draftModel), 'a path, a URL or bytes');
  const model = await loadModel(source, options, limits);
  if (draftModel === undefined) return model;
  try {
    const { adapter: _, ...own } = options;
    model.setDraftModel(await loadModel(draftModel, { ...own, context: model.context }));
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

function checkHooks(onChange: unknown, sensors: Sensors | undefined): void {
  if (onChange !== undefined && typeof onChange !== 'function')
    throw new OptionError('adapt.onChange', typeof onChange, 'a function');
  if (sensors !== undefined && typeof sensors?.read !== 'function')
    throw new OptionError('adapt.sensors', typeof sensors, 'an object with a function read');
}
