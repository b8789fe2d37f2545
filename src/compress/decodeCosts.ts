/** The cost of a token on a device, by the formats of a model's matrices. `decodeMeter` of `espalier/search` measures it. */
import type { EnergyEstimate } from '../adapt/index.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Graph } from '../graph/graph.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';

/** Cost of a token that continues a text. */
export interface TokenCost {
  readonly seconds: number;
  /** Undefined if the energy of the device is unknown. */
  readonly joules?: EnergyEstimate;
  /** False if weights and cache do not fit into the device's memory. Undefined: unknown. */
  readonly fits?: boolean;
}

/** Costs of one model on one device. */
export interface DecodeCosts {
  /** Name of the device. */
  readonly device: string;
  /** @param formatOf format of a tensor; undefined: the model's own */
  tokenCost(formatOf: (tensor: string) => BlockFormat | undefined): TokenCost;
}

export interface DecodeRequest {
  readonly graph: Graph;
  /** Names of the formats that matrices may have besides their own. */
  readonly formats: readonly string[];
  /** Path of a JSON file that describes the device. Default: this device, which is measured. */
  readonly device?: string;
  /** Threads of the predicted token, on this device. Default: as many as are fastest. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export type DecodeMeter = (request: DecodeRequest) => Promise<DecodeCosts>;

/** Predicted cost of a token of a model that was made for a limit. */
export interface DecodePrediction {
  readonly device: string;
  /** Milliseconds and joules per token. */
  readonly ms: number;
  readonly joules?: EnergyEstimate;
  /** The limit: of the two, the one that was set. */
  readonly maxMs?: number;
  readonly maxJoules?: number;
}
