// Package packed has the layouts in which tools store quantized weights: tensors of packed
// codes, scales and zero points, which together are the weights of one layer.
//
// A [Layout] is a value with the parameters that a checkpoint's configuration says: bits, the
// size of groups, a version. [Layout.Open] checks the stored tensors of a layer, its [Parts],
// and returns a [Matrix] that reads weights at any place. [Layout.Pack] makes such tensors from
// what a quantizer of package quant makes of weights, and [For] finds the layout in which the
// tool that a scheme follows stores its results. Both directions share one description of where
// codes and parameters lie: what Pack writes, it writes through the places that Open found.
//
// # Layouts
//
//	BNB4           bitsandbytes, 4 bits: NF4 and FP4, with and without double quantization
//	BNB8           bitsandbytes, LLM.int8()
//	GPTQ           GPTQ, 2, 3, 4 and 8 bits, with g_idx, checkpoint formats gptq and gptq_v2
//	AWQ            AutoAWQ, 4 bits, versions gemm and gemv
//	Packed         compressed-tensors, pack-quantized
//	Elements       one code in 8 bits, and scales for tensors, rows, groups or tiles: FP8 of all
//	               kinds, int-quantized, naive-quantized, float-quantized, MXFP8, quanto's
//	               qint8 and qfloat8
//	FP4            E2M1 with scales for groups: nvfp4-pack-quantized, mxfp4-pack-quantized,
//	               ModelOpt's NVFP4, the experts of gpt-oss
//	MLX            MLX, affine, mxfp4, mxfp8, nvfp4
//	HQQ            HQQ, 1, 2, 3, 4 and 8 bits, both axes
//	Quanto         optimum-quanto, qint4 and qint2
//	BitNet         BitNet b1.58 as transformers stores it
//
// # Arithmetic
//
// Matrices are [outputs, inputs], whichever way a tool stores them. Weights are computed in
// float32, (code − zero) × scale + bias, where the scale may be a product or quotient of two
// stored numbers, taken first. Where a tool rounds between two operations to a narrower type,
// the layout has the type in a field Compute. What a tool rounds the result to at the end is
// left to the caller.
//
// Sources: bitsandbytes 95f9af30, AutoGPTQ 9f7d3707, GPTQModel f4c327a1, AutoAWQ 88e4c76b,
// compressed-tensors ac8e2ba8, DeepSeek-V3 9b4e9788, gpt-oss 7b58334, TensorRT-Model-Optimizer
// 5a4242fa, MLX 846d1762, hqq e0b1d00e, optimum-quanto e33f8202, transformers 0b4060e7,
// restated.
package packed
