/**
 * Tests an installed generation before it is used: it loads, writes eight tokens, and passes the checks of its components. A check is a text
 * whose loss may not exceed a maximum, or a prompt whose greedy continuation must match.
 */
import { EspalierError } from '../../core/errors.ts';
import { openComponent } from '../../formats/packages/componentSource.ts';
import { type Check, type Component, generationOf, type Manifest } from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import type { PackageStore } from '../../formats/packages/packageStore.ts';
import { evaluateText } from '../../runtime/evaluateText.ts';
import { load } from '../../runtime/load.ts';
import type { LoadOptions } from '../../runtime/loadOptions.ts';
import type { Model } from '../../runtime/model.ts';

export interface ProbeOptions {
  /** Options of loading the model. */
  readonly load?: Omit<LoadOptions, 'components' | 'packages' | 'signal'>;
  /** Component whose checks run. Default: all components. */
  readonly role?: string;
  /** A check of your own: throw to refuse the generation. */
  readonly check?: (model: Model) => Promise<void> | void;
  readonly signal?: AbortSignal;
}

export interface CheckResult {
  readonly role: string;
  readonly check: Check;
  /** Loss in nats per token, or the continuation. */
  readonly found: number | string;
  readonly passed: boolean;
}

const TOKENS = 8;
/** Log-probability that no token of a working model has, in nats. */
const LOWEST = -1000;
const DEFAULT_CHECK_TOKENS = 64;

/**
 * @throws {PackageError} PROBE_FAILED naming the check; the errors of `load`; what `check` throws
 * @returns the results of the checks that the package contains
 */
export async function probe(
  store: PackageStore,
  manifest: Manifest,
  options: ProbeOptions = {},
): Promise<CheckResult[]> {
  const { role: only, check, signal } = options;
  const installed = await store.installed(generationOf(manifest));
  const wanted = installed.components.filter(({ role }) => only === undefined || role === only);
  if (!installed.components.some(({ role }) => role === 'base')) return [];
  // says what is missing
  if (only !== undefined && wanted.length === 0)
    await openComponent(store, manifest.name, only, generationOf(manifest));
  const alone = wanted.filter(
    ({ role, checks = [] }) => isAlone(role) && (checks.length > 0 || role === (only ?? 'draft')),
  );
  const together = wanted.filter(({ role }) => !isAlone(role));
  const results: CheckResult[] = [];
  const test = async (components: readonly Component[], roles: readonly string[], source = '') => {
    const model = await load(`package:${manifest.name}@${generationOf(manifest)}${source}`, {
      ...options.load,
      packages: store.folder,
      signal,
      ...(roles.length > 0 && { components: roles }),
    });
    try {
      await writeSome(model, manifest, signal);
      const adapters = roles.filter(isAdapter);
      for (const { role, checks = [] } of components) {
        if (adapters.length > 0) await model.setAdapter(isAdapter(role) ? role : undefined);
        for (const each of checks) results.push({ role, check: each, ...(await run(model, each, signal)) });
      }
      const failed = results.find(({ passed }) => !passed);
      if (failed) throw failure(manifest, failed);
      if (components === together) await check?.(model);
    } finally {
      model.dispose();
    }
  };
  if (together.length > 0) await test(together, together.map(({ role }) => role).filter(isAdapter));
  for (const each of alone) await (each.role === 'draft' ? test([each], [], '#draft') : test([each], [each.role]));
  return results;
}

const isAdapter = (role: string) => role.startsWith('adapter/');
/** True for a component that is loaded for its own test only: heads and experts change the model, and a draft is one itself. */
const isAlone = (role: string) => /^(draft$|head\/|experts\/)/.test(role);

/** Writes eight tokens. Damaged weights compute NaN, or logits that no model has. */
async function writeSome(model: Model, { name, version }: Manifest, signal?: AbortSignal): Promise<void> {
  const session = model.session();
  try {
    const prompt = 'The';
    const { ids } = await session.generate(prompt, { temperature: 0, maxTokens: TOKENS, ...(signal && { signal }) })
      .result;
    const tokens = [...model.tokenizer.encode(prompt), ...ids];
    const scored = await model.logProbabilities(tokens.length > 1 ? tokens : [...tokens, ...tokens], { signal });
    const broken = scored.find(({ logProbability }) => !(logProbability > LOWEST));
    if (!broken) return;
    const problem = `its tokens have log-probabilities such as ${broken.logProbability}: the weights are damaged`;
    throw new PackageError('PROBE_FAILED', `${name} ${version}: ${problem}`, { found: broken.logProbability });
  } catch (error) {
    // encoders and models without a tokenizer write no text
    if (error instanceof EspalierError && ['UNSUPPORTED', 'NO_TOKENIZER'].includes(error.code)) return;
    throw error;
  } finally {
    session.dispose();
  }
}

async function run(model: Model, check: Check, signal?: AbortSignal): Promise<Pick<CheckResult, 'found' | 'passed'>> {
  if ('text' in check) {
    const { nll } = await evaluateText(model, check.text, { all: true, signal });
    return { found: nll, passed: nll <= check.maxLoss };
  }
  const session = model.session();
  try {
    const { tokens: maxTokens = DEFAULT_CHECK_TOKENS, prompt } = check;
    const { text } = await session.generate(prompt, { temperature: 0, maxTokens, ...(signal && { signal }) }).result;
    return { found: text, passed: text.includes(check.includes) };
  } finally {
    session.dispose();
  }
}

function failure({ name, version }: Manifest, { role, check, found }: CheckResult): PackageError {
  const problem =
    'text' in check
      ? `the loss of its canary text is ${(found as number).toFixed(3)}, expected at most ${check.maxLoss}`
      : `${JSON.stringify(check.prompt)} continues with ${JSON.stringify(found)}, expected ${JSON.stringify(check.includes)} in it`;
  return new PackageError('PROBE_FAILED', `${name} ${version}, ${role}: ${problem}`, { role, check, found });
}
