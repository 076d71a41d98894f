// Package quant simulates the quantization of weights: each weight is replaced by
// the number that its code stands for.
//
// A [Scheme] is a way to quantize one tensor. Fitting it to the tensor gives a
// [Quantizer], which dequantizes the tensor piece by piece. A [Recipe] is what a level
// of an analysis names: it chooses the scheme of each tensor. [Parse] turns a name into
// a recipe, [Apply] is the whole of it for a slice.
//
// # Schemes
//
// stored leaves weights as they are. fp16 is a cast to float16. The b-bit schemes are uniform
// over the whole tensor, computed in float32, round half to even:
//
//	8bit       s = max|w| / (2^(b-1)-1);  q = clamp(round(w/s), ±(2^(b-1)-1));  w' = q*s
//	8bit-asym  s = (max w - min w) / (2^b-1);  q = clamp(round(w/s - min w/s), 0, 2^b-1);  w' = q*s + min w
//
// A symmetric b-bit scheme has 2^b - 1 values (255, 63, 31, 15, 7, 3 at 8, 6, 5,
// 4, 3, 2 bits), not 2^b: the lowest code is never used. The asymmetric scheme
// keeps the minimum as a float and so, unlike schemes with an integer zero point,
// does not represent zero exactly. A constant tensor stays as it is.
//
// Whatever the scheme, the result is then rounded to the type that the dequantized
// weights are stored in.
//
// All other schemes follow a tool: a block of the table in presets.go says its names, the
// tool and its version, and makes it. Most are [Granularity] and a rule: which weights share
// parameters, how these follow from the range of a group, and what becomes of its weights
// (blocks.go). The rules are in files by family: integer.go, torchao.go, mlx.go,
// bitsandbytes.go, minifloat.go (FP8), microscaling.go (MX, NVFP4). Rules of their own kind
// are hqq.go, bitnet.go and ggml.go, whose blocks are those of internal/ggml. Groups run along
// the rows of the matrix [outputs, inputs]. docs/SCHEMES.md has the formulas. Descriptions
// lists them all.
//
// The types of files that llama-quantize writes are recipes, called gguf:q4_k_m and so on,
// that have a type for each tensor. Which, depends on all tensors of the checkpoint and on
// the model: [Bind] makes of a recipe what it is for one checkpoint.
//
// To add a scheme, write its rule, or a type that implements [Scheme], enter its names in the
// table of presets.go, and run the conformance suite of package testquant on it; if there are
// values of the tool's own code, compare them in TestGolden.
package quant
