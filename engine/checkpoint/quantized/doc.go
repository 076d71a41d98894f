// Package quantized reads checkpoints whose weights are quantized already. [New] finds out how,
// from the configuration beside the weights and the names of the stored tensors, and returns the
// checkpoint with each quantized layer as one tensor of weights: its codes, scales and zero
// points are the bytes of that tensor, and its encoding decodes them through a layout of package
// packed.
//
// Nothing is guessed. What says how codes are read is config.json (quantization_config,
// compression_config, or MLX's quantization), quantize_config.json of AutoGPTQ,
// quant_config.json of AutoAWQ, hf_quant_config.json of ModelOpt, quanto_qmap.json, or the stored
// tensors themselves where they say all: bitsandbytes, HQQ and the experts of gpt-oss. FP8 weights
// without configuration and without any scales are numbers. A layer that does not fit what is
// said of it, and every layer of a method that is not known or known in part, is refused with a
// reason, checkpoint.Tensor.Refusal, and its tensors are left as they are.
//
// Sources: those of package packed; GPTQModel f4c327a1 (dynamic), compressed-tensors ac8e2ba8
// (config_groups), mlx-lm (entries of layers), restated.
package quantized
