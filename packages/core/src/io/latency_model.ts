/**
 * How long a request is in service, as data: always the same, uniform, lognormal with a tail, or from a recorded list. Drawn from a seed,
 * so that the n-th request takes as long in every run.
 * @kernel none: the hardware
 * @fidelity reduced: reads and writes take the same; independent of the number of pages
 * Next: io/parse_latency.ts
 */
import type { Prng } from '../base/prng.ts';

/** Times in microseconds. */
export type LatencyModel =
  /** Served by the submitter itself; no thread, no wait. */
  | { readonly kind: 'zero' }
  | { readonly kind: 'fixed'; readonly us: number }
  /** Between `lowUs`, inclusive, and `highUs`, exclusive. */
  | { readonly kind: 'uniform'; readonly lowUs: number; readonly highUs: number }
  /** The logarithm is normal with deviation `sigma`; a share of `tailShare` (0 to 1) takes `tailUs` instead. */
  | { readonly kind: 'lognormal'; readonly medianUs: number; readonly sigma: number; readonly tailShare: number; readonly tailUs: number }
  /** One after the other, and again from the start. */
  | { readonly kind: 'list'; readonly us: readonly number[] };

/** No request takes longer: ten minutes. */
export const LATENCY_US_MAX = 600_000_000;
const TWO_32 = 2 ** 32;

/** The time of the next request, in microseconds. @param index how many were drawn before */
export function drawLatencyUs(model: LatencyModel, prng: Prng, index: number): number {
  switch (model.kind) {
    case 'zero':
      return 0;
    case 'fixed':
      return model.us;
    case 'uniform':
      return model.lowUs + unit(prng) * (model.highUs - model.lowUs);
    case 'lognormal':
      if (unit(prng) < model.tailShare) return model.tailUs;
      return Math.min(LATENCY_US_MAX, model.medianUs * Math.exp(model.sigma * normal(prng)));
    case 'list':
      return model.us[index % model.us.length] as number;
  }
}

/** The mean of the times, in microseconds: what decides how many requests a device serves in a second. */
export function meanLatencyUs(model: LatencyModel): number {
  switch (model.kind) {
    case 'zero':
      return 0;
    case 'fixed':
      return model.us;
    case 'uniform':
      return (model.lowUs + model.highUs) / 2;
    case 'lognormal':
      return (1 - model.tailShare) * model.medianUs * Math.exp(model.sigma ** 2 / 2) + model.tailShare * model.tailUs;
    case 'list':
      return model.us.reduce((sum, us) => sum + us, 0) / model.us.length;
  }
}

/** Uniform in [0, 1). */
const unit = (prng: Prng): number => prng.next() / TWO_32;

/** Normal with mean 0 and deviation 1: the method of Box and Muller, of which one half is used. */
function normal(prng: Prng): number {
  const radius = Math.sqrt(-2 * Math.log((prng.next() + 1) / TWO_32));
  return radius * Math.cos(2 * Math.PI * unit(prng));
}
