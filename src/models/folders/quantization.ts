/** Refuses folders with quantized weights, naming the method from their config. */
import { UnsupportedError } from '../../core/errors.ts';
import { type Fields, isFields } from './config.ts';

/** @throws {UnsupportedError} if config.json says that the weights are quantized */
export function refuseQuantization(folder: string, config: Fields): void {
  for (const field of ['quantization_config', 'quantization', 'compression_config']) {
    const found = config[field];
    if (!isFields(found) || Object.keys(found).length === 0) continue;
    const { quant_method: method = field === 'quantization' ? 'MLX' : 'an unnamed method', ...rest } = found;
    const details = Object.entries(rest)
      .filter(([name, value]) => /bits|group_size|mode|format|fmt|quant_type|load_in/.test(name) && value !== false)
      .map(([name, value]) => `${name} ${String(value)}`)
      .slice(0, 4);
    const how = [String(method), ...details].join(', ');
    throw new UnsupportedError(
      `${folder}: config.json's ${field} says that its weights are quantized (${how}); reading such folders`,
      'weights',
      ['folders in F32, F16 or BF16', 'GGUF files in any format'],
      { field, quantization: found },
    );
  }
}

/** Endings of tensor names that quantizers add, with the names of these quantizers. */
const quantizers: Readonly<Record<string, string>> = {
  '.qweight': 'GPTQ or AWQ',
  '.qzeros': 'GPTQ or AWQ',
  '.weight_packed': 'compressed-tensors',
  '.weight_scale': 'FP8 or compressed-tensors',
  '.weight_scale_inv': 'FP8',
  '.weight.absmax': 'bitsandbytes',
  '.weight.quant_map': 'bitsandbytes',
  '.SCB': 'bitsandbytes',
};

/** @throws {UnsupportedError} if the tensors are those of a quantizer, though config.json does not mention it */
export function refuseQuantizedTensors(folder: string, tensors: Iterable<string>): void {
  for (const tensor of tensors) {
    const ending = Object.keys(quantizers).find((ending) => tensor.endsWith(ending));
    if (ending === undefined) continue;
    throw new UnsupportedError(
      `${folder}: the tensor ${tensor} shows that its weights are quantized (${quantizers[ending]}); reading such folders`,
      'weights',
      ['folders in F32, F16 or BF16', 'GGUF files in any format'],
      { tensor },
    );
  }
}
