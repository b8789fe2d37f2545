/** Puts a governor between a model and its device. */
import { deviceSensors } from '#leaf/adapt/sensors/deviceSensors';
import type { Model } from '../runtime/model.ts';
import { type AdaptEvent, GovernedPacer } from './governedPacer.ts';
import { type AdaptLimits, checkLimits } from './limits.ts';
import { plansOf } from './plansOf.ts';
import type { Sensors } from './sensors/signals.ts';

interface Hooks {
  readonly onChange?: (event: AdaptEvent) => unknown;
  readonly sensors?: Sensors;
}

/** @param load is called when the limits are known to be valid @throws {OptionError} and what `load` throws */
export async function govern(limits: AdaptLimits, hooks: Hooks, load: () => Promise<Model>): Promise<Model> {
  checkLimits(limits);
  const model = await load();
  try {
    const plans = await plansOf(model);
    model.setPacer(new GovernedPacer(plans, limits, hooks.sensors ?? deviceSensors(), hooks.onChange));
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}
