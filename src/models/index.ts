/** The list of architectures. To add one, add its file and a line here. */

import { afmoe } from './afmoe.ts';
import { apertus } from './apertus.ts';
import { arcee } from './arcee.ts';
import type { Architecture } from './architecture.ts';
import { baichuan } from './baichuan.ts';
import { bailingmoe, bailingmoe2 } from './bailingmoe.ts';
import { bert } from './bert.ts';
import { biogpt } from './biogpt.ts';
import { bitnet } from './bitnet.ts';
import { bloom } from './bloom.ts';
import { chatglm } from './chatglm.ts';
import { codegen } from './codegen.ts';
import { codeshell } from './codeshell.ts';
import { cohere2 } from './cohere2.ts';
import { commandR } from './commandR.ts';
import { dbrx } from './dbrx.ts';
import { deci } from './deci.ts';
import { deepseek } from './deepseek.ts';
import { dots1 } from './dots1.ts';
import { ernie45 } from './ernie45.ts';
import { ernie45Moe } from './ernie45Moe.ts';
import { eurobert } from './eurobert.ts';
import { exaone } from './exaone.ts';
import { exaone4 } from './exaone4.ts';
import { exaoneMoe } from './exaoneMoe.ts';
import { falcon } from './falcon.ts';
import { falconH1 } from './falconH1.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { gemma4 } from './gemma4.ts';
import { gemmaEmbedding } from './gemmaEmbedding.ts';
import { glm4 } from './glm4.ts';
import { glm4moe } from './glm4moe.ts';
import { gpt2 } from './gpt2.ts';
import { gptj } from './gptj.ts';
import { gptNeo } from './gptNeo.ts';
import { gptneox } from './gptneox.ts';
import { gptOss } from './gptOss.ts';
import { granite } from './granite.ts';
import { graniteHybrid } from './graniteHybrid.ts';
import { graniteMoe } from './graniteMoe.ts';
import { graniteSwa } from './graniteSwa.ts';
import { helium } from './helium.ts';
import { hunyuanDense } from './hunyuanDense.ts';
import { hunyuanMoe } from './hunyuanMoe.ts';
import { hunyuanVl } from './hunyuanVl.ts';
import { internlm2 } from './internlm2.ts';
import { jais } from './jais.ts';
import { jais2 } from './jais2.ts';
import { jamba } from './jamba.ts';
import { jinaBertV2 } from './jinaBertV2.ts';
import { lfm2, lfm2moe } from './lfm2.ts';
import { llama } from './llama.ts';
import { llamaEmbed } from './llamaEmbed.ts';
import { maincoder } from './maincoder.ts';
import { mamba, mamba2 } from './mamba.ts';
import { mellum } from './mellum.ts';
import { minicpm } from './minicpm.ts';
import { minimaxM2 } from './minimaxM2.ts';
import { mistral3 } from './mistral3.ts';
import { modernBert } from './modernBert.ts';
import { mpt } from './mpt.ts';
import { museGlimmer } from './museGlimmer.ts';
import { nanbeige } from './nanbeige.ts';
import { nemotron } from './nemotron.ts';
import { nemotronH, nemotronHMoe } from './nemotronH.ts';
import { neoBert } from './neoBert.ts';
import { nomicBert, nomicBertMoe } from './nomicBert.ts';
import { olmo } from './olmo.ts';
import { olmo2 } from './olmo2.ts';
import { olmoe } from './olmoe.ts';
import { openelm } from './openelm.ts';
import { opt } from './opt.ts';
import { orion } from './orion.ts';
import { paddleocr } from './paddleocr.ts';
import { panguEmbedded } from './panguEmbedded.ts';
import { persimmon } from './persimmon.ts';
import { phi2 } from './phi2.ts';
import { phi3 } from './phi3.ts';
import { phimoe } from './phimoe.ts';
import { plamo } from './plamo.ts';
import { plamo3 } from './plamo3.ts';
import { qwen } from './qwen.ts';
import { qwen2 } from './qwen2.ts';
import { qwen2moe } from './qwen2moe.ts';
import { qwen2vl } from './qwen2vl.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3moe, qwen3vlmoe } from './qwen3moe.ts';
import { qwen3vl } from './qwen3vl.ts';
import { qwen3next, qwen35, qwen35moe } from './qwen35.ts';
import { refact } from './refact.ts';
import { seedOss } from './seedOss.ts';
import { smallthinker } from './smallthinker.ts';
import { smollm3 } from './smollm3.ts';
import { spark25 } from './spark25.ts';
import { stablelm } from './stablelm.ts';
import { starcoder } from './starcoder.ts';
import { starcoder2 } from './starcoder2.ts';
import { vaultgemma } from './vaultgemma.ts';
import { xverse } from './xverse.ts';

export const architectures: readonly Architecture[] = [
  afmoe,
  apertus,
  arcee,
  baichuan,
  bailingmoe,
  bailingmoe2,
  bert,
  biogpt,
  bitnet,
  bloom,
  chatglm,
  codegen,
  codeshell,
  cohere2,
  commandR,
  dbrx,
  deci,
  deepseek,
  dots1,
  ernie45,
  eurobert,
  ernie45Moe,
  exaone,
  exaone4,
  exaoneMoe,
  falcon,
  falconH1,
  gemma,
  gemma2,
  gemma3,
  gemma4,
  gemmaEmbedding,
  glm4,
  glm4moe,
  gpt2,
  gptj,
  gptNeo,
  gptneox,
  gptOss,
  granite,
  graniteHybrid,
  graniteMoe,
  graniteSwa,
  helium,
  hunyuanDense,
  hunyuanMoe,
  hunyuanVl,
  internlm2,
  jais,
  jais2,
  jamba,
  jinaBertV2,
  lfm2,
  lfm2moe,
  llama,
  llamaEmbed,
  maincoder,
  mamba,
  mamba2,
  mellum,
  minicpm,
  minimaxM2,
  mistral3,
  modernBert,
  mpt,
  museGlimmer,
  nanbeige,
  nemotron,
  nemotronH,
  nemotronHMoe,
  neoBert,
  nomicBert,
  nomicBertMoe,
  olmo,
  olmo2,
  olmoe,
  openelm,
  opt,
  orion,
  paddleocr,
  panguEmbedded,
  persimmon,
  phi2,
  phi3,
  phimoe,
  plamo,
  plamo3,
  qwen,
  qwen2,
  qwen2moe,
  qwen2vl,
  qwen3,
  qwen3moe,
  qwen3vl,
  qwen3vlmoe,
  qwen3next,
  qwen35,
  qwen35moe,
  refact,
  seedOss,
  smallthinker,
  smollm3,
  spark25,
  stablelm,
  starcoder,
  starcoder2,
  vaultgemma,
  xverse,
];
