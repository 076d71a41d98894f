package quant

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

var (
	rowWise = Granularity{Rows: 1}
	colWise = Granularity{Cols: 1}
	tiled   = Granularity{Rows: 128, Cols: 128}
)

func grouped(n int) Granularity { return Granularity{Rows: 1, Cols: n} }

// maxGroup bounds the size of groups in names.
const maxGroup = 1 << 16

// groupOf reads the part of a name that says which weights share parameters: "-row", "-col",
// "-tensor" or "-g128", and otherwise what that is if there is none.
func groupOf(text string, otherwise Granularity) (Granularity, error) {
	switch text {
	case "":
		return otherwise, nil
	case "-row":
		return rowWise, nil
	case "-col":
		return colWise, nil
	case "-tensor":
		return Granularity{}, nil
	}
	var n int
	if _, err := fmt.Sscanf(text, "-g%d", &n); err != nil || n < 2 || n > maxGroup {
		return Granularity{}, fmt.Errorf("groups have 2 to %d weights", maxGroup)
	}
	return grouped(n), nil
}

// suffix is the part of a name that groupOf reads.
func (g Granularity) suffix() string {
	switch g {
	case rowWise:
		return "-row"
	case colWise:
		return "-col"
	case Granularity{}:
		return "-tensor"
	}
	return fmt.Sprintf("-g%d", g.Cols)
}

const groups = "(-g[1-9][0-9]{0,5})?"

// registry holds the schemes that follow tools.
var registry = []entry{
	{
		pattern: whole("int([2-9]|1[0-6])(-tensor)?(-asym)?"), shown: "intK, intK-asym", examples: []string{"int8"}, tool: "one scale for the tensor: Kbit, Kbit-asym", class: Own,
		make: func(m *match) (Recipe, error) { return Uniform(uniform{m.number(1, 0), m.is(3, "-asym")}), nil },
	},
	{
		pattern: whole("int([2-9]|1[0-6])(-row|-col|-g[1-9][0-9]{0,5})(-asym)?"), shown: "intK-row, intK-col, intK-gG, with -asym",
		examples: []string{"int8-row", "int4-row", "int4-g128", "int4-g128-asym", "int3-g64", "int2-g64"}, tool: "round to nearest, scales in float16", class: Own,
		refuses: "scales beyond float16", make: makePlain,
	},
	{
		pattern:  whole("q[458]_0|q[45]_1|q[2-6]_k|iq4_nl|iq4_xs|tq[12]_0|q[12]_0|ggml-mxfp4|ggml-nvfp4|iq[123]_[a-z]+"),
		shown:    "q4_0, q4_1, q5_0, q5_1, q8_0, q2_k to q6_k, iq4_nl, iq4_xs, tq1_0, tq2_0, q1_0, q2_0, ggml-mxfp4, ggml-nvfp4",
		examples: []string{"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "tq1_0", "tq2_0", "q1_0", "q2_0", "ggml-mxfp4", "ggml-nvfp4"},
		tool:     "ggml 0.21 (llama.cpp) on x86-64, no imatrix", class: Exact, refuses: "scales beyond float16; rows that blocks do not divide, where llama-quantize has no other type", make: makeGGML,
	},
	{
		pattern: whole("(?:gguf:([a-z0-9_]+)|(q[2-5]_k_[sml]|mxfp4_moe))(:pure)?"), shown: "gguf:FILETYPE, with :pure",
		examples: []string{
			"gguf:q2_k", "gguf:q3_k_s", "gguf:q3_k_m", "gguf:q3_k_l", "gguf:q4_0", "gguf:q4_1", "gguf:q4_k_s", "gguf:q4_k_m", "gguf:q5_0", "gguf:q5_1", "gguf:q5_k_s", "gguf:q5_k_m",
			"gguf:q6_k", "gguf:q8_0", "gguf:iq4_nl", "gguf:iq4_xs", "gguf:tq1_0", "gguf:tq2_0", "gguf:q1_0", "gguf:q2_0", "gguf:mxfp4_moe", "gguf:nvfp4", "gguf:q4_k_m:pure",
		},
		tool: "llama-quantize (llama.cpp 007dbbf3), no imatrix; bits per weight of Llama-3-8B", class: Exact, make: makeFile,
		refuses: "file types that need an imatrix; scales beyond float16; rows that blocks do not divide, where llama-quantize has no other type",
	},
	{
		pattern: whole("bnb-int8"), shown: "bnb-int8", examples: []string{"bnb-int8"}, tool: "bitsandbytes 0.50", class: Exact, refuses: "weights beyond float16",
		make: func(m *match) (Recipe, error) {
			return single{blocks{name: m.name, granularity: rowWise, rule: bnbInt8{}, upcasts: true, code: 8, parameters: 32}}, nil
		},
	},
	{
		pattern: whole("bnb-(nf4|fp4)(-b(32|64|128|256|512|1024|2048|4096))?(-dq)?"), shown: "bnb-nf4, bnb-nf4-bB, bnb-fp4-bB, with -dq",
		examples: []string{"bnb-nf4", "bnb-nf4-dq", "bnb-nf4-b128", "bnb-fp4"}, tool: "bitsandbytes 0.50", class: Exact, make: makeBNB,
	},
	{
		pattern: whole("bnb-dynamic8(-b(?:64|128|256|512|1024|2048|4096))?"), shown: "bnb-dynamic8, bnb-dynamic8-bB", examples: []string{"bnb-dynamic8"}, tool: "bitsandbytes 0.50, quantize_blockwise", class: Exact,
		make: func(m *match) (Recipe, error) {
			size := 256
			if m.groups[1] != "" {
				size, _ = strconv.Atoi(m.groups[1][2:])
			}
			return single{blocks{name: m.name, granularity: Granularity{Run: size}, rule: bnbDynamic8{}, code: 8, parameters: 32}}, nil
		},
	},
	{
		pattern: whole("hqq-int([1-8])(-g[1-9][0-9]{0,5}|-row)?(-axis0)?(-noopt)?(:bf16|:f32|:f16)?"), shown: "hqq-intK-gG, hqq-intK-row, with -axis0, -noopt, :bf16, :f32",
		examples: []string{"hqq-int4-g64", "hqq-int8-g64", "hqq-int3-g64", "hqq-int2-g16"}, tool: "hqq 0.2.8 on a CPU", class: Order, refuses: "tensors that groups do not divide; scales beyond the type of the results",
		make: makeHQQ,
	},
	{
		pattern: whole("quanto-(qint8|qint4|qint2|qfloat8)(-e5m2|-e4m3)?"), shown: "quanto-qint8, -qint4, -qint2, -qfloat8, -qfloat8-e5m2",
		examples: []string{"quanto-qint8", "quanto-qint4", "quanto-qint2", "quanto-qfloat8", "quanto-qfloat8-e5m2"}, tool: "optimum-quanto 0.2.7", class: Exact, make: makeQuanto,
	},
	{
		pattern: whole("quanto-qint(4|2)-hqq"), shown: "quanto-qint4-hqq, quanto-qint2-hqq", examples: []string{"quanto-qint4-hqq"}, tool: "optimum-quanto 0.2.7, HqqOptimizer", class: Order,
		make: func(m *match) (Recipe, error) {
			k := m.number(1, 4)
			return single{quantoHQQ{blocks{name: fmt.Sprintf("quanto-qint%d", k), granularity: grouped(128), rule: quantoInt{k}, code: float64(k), parameters: 32}}}, nil
		},
	},
	{
		pattern: whole("torchao-int8(-row|-tensor|-g[1-9][0-9]{0,5})?"), shown: "torchao-int8, torchao-int8-tensor, torchao-int8-gG", examples: []string{"torchao-int8"}, tool: "torchao 0.19, Int8WeightOnly", class: Exact,
		refuses: "rows that groups do not divide",
		make: func(m *match) (Recipe, error) {
			g, err := groupOf(m.groups[1], rowWise)
			name := "torchao-int8"
			if g != rowWise {
				name += g.suffix()
			}
			return single{blocks{name: name, granularity: g, remainder: refused, rule: torchaoInt8{}, code: 8, parameters: 32}}, err
		},
	},
	{
		pattern: whole("torchao-int([1-7]|4-tinygemm|8-intx)(-row|-g[1-9][0-9]{0,5})(-asym|-noclip)?"), shown: "torchao-intK-gG, torchao-intK-row, with -asym, -noclip; torchao-int4-tinygemm-gG",
		examples: []string{"torchao-int4-g128", "torchao-int4-g128-asym", "torchao-int4-tinygemm-g128", "torchao-int8-intx-g128"}, tool: "torchao 0.19, IntxWeightOnly and tinygemm", class: Exact,
		refuses: "rows that groups do not divide", make: makeTorchao,
	},
	{
		pattern: whole("torchao-float8(-e5m2|-e4m3)?(-tensor|-row)?"), shown: "torchao-float8, -e5m2, -tensor", examples: []string{"torchao-float8"}, tool: "torchao 0.19, Float8WeightOnly", class: Exact,
		make: func(m *match) (Recipe, error) {
			g, err := groupOf(m.groups[2], rowWise)
			r := fp8Rule{e4m3, fp8Torchao}
			if m.is(1, "-e5m2") {
				r.format = e5m2
			}
			return single{blocks{name: m.name, granularity: g, rule: r, code: 8, parameters: 32}}, err
		},
	},
	{
		pattern: whole("gptq-int([2-8])(-row|-g[1-9][0-9]{0,5})(-sym|-asym)?(-mse)?"), shown: "gptq-intK-gG, gptq-intK-row, with -asym; gptq-intK-gG-mse (slow)",
		examples: []string{"gptq-int4-g128", "gptq-int4-g128-asym", "gptq-int8-g128", "gptq-int3-g128", "gptq-int4-row"}, tool: "AutoGPTQ 0.8 without data: round to nearest", class: Exact, make: makeGPTQ,
	},
	{
		pattern: whole("awq-int([2-8])" + groups + "(-sym)?"), shown: "awq-intK-gG, with -sym", examples: []string{"awq-int4-g128"}, tool: "AutoAWQ 0.2.9 without data: round to nearest", class: Exact,
		refuses: "rows that groups do not divide",
		make: func(m *match) (Recipe, error) {
			g, err := groupOf(m.groups[2], grouped(128))
			k := m.number(1, 4)
			return single{blocks{name: fmt.Sprintf("awq-int%d%s%s", k, g.suffix(), m.groups[3]), granularity: g, remainder: refused,
				rule: awqInt{k, m.is(3, "-sym")}, code: float64(k), parameters: float64(16 + k)}}, err
		},
	},
	{
		pattern: whole("ct-(w4a16|w4a16-asym|w8a16|w8a8|fp8|fp8-dynamic|fp8-block|nvfp4|mxfp4|mxfp8)"), shown: "ct-PRESET",
		examples: []string{"ct-w4a16", "ct-w4a16-asym", "ct-w8a16", "ct-w8a8", "ct-fp8", "ct-fp8-dynamic", "ct-fp8-block", "ct-nvfp4", "ct-mxfp4", "ct-mxfp8"},
		tool:     "compressed-tensors (llm-compressor's presets) on a CPU", class: Exact, refuses: "rows that groups do not divide", make: makeCT,
	},
	{
		pattern: whole("mlx-([234568])bit" + groups + "(:cpu|:metal)?"), shown: "mlx-Kbit, mlx-Kbit-gG, with :cpu", examples: []string{"mlx-4bit", "mlx-8bit", "mlx-4bit-g32"}, tool: "MLX 0.32, the rule of its Metal kernels; :cpu has that of the CPU", class: Restated,
		refuses: "rows that groups do not divide",
		make: func(m *match) (Recipe, error) {
			g, err := groupOf(m.groups[2], grouped(64))
			k := m.number(1, 4)
			name := fmt.Sprintf("mlx-%dbit", k)
			if g != grouped(64) {
				name += g.suffix()
			}
			if m.is(3, ":cpu") {
				name += ":cpu"
			}
			return single{blocks{name: name, granularity: g, remainder: refused, rule: mlxAffine{k, !m.is(3, ":cpu")}, code: float64(k), parameters: 32}}, err
		},
	},
	{
		pattern: whole("mlx-(mxfp4|mxfp8|nvfp4)"), shown: "mlx-mxfp4, mlx-mxfp8, mlx-nvfp4", examples: []string{"mlx-mxfp4", "mlx-mxfp8", "mlx-nvfp4"}, tool: "MLX 0.32", class: Restated, refuses: "rows that groups do not divide",
		make: func(m *match) (Recipe, error) {
			b := blocks{name: m.name, granularity: grouped(32), remainder: refused, upcasts: true, output: checkpoint.F32, code: 4, parameters: 8}
			switch m.groups[1] {
			case "mxfp4":
				b.rule = mxRule{e2m1, mxNearest, kernel.TiesEven, -1}
			case "mxfp8":
				b.rule, b.code = mxRule{e4m3, mxNearest, kernel.TiesEven, -1}, 8
			case "nvfp4":
				b.rule, b.granularity = nvfp4{nvfp4MLX}, grouped(16)
			}
			return single{b}, nil
		},
	},
	{
		pattern: whole("fp8-(e4m3|e5m2)-(tensor|row|direct)"), shown: "fp8-e4m3-tensor, -row, -direct, fp8-e5m2-…", examples: []string{"fp8-e4m3-tensor", "fp8-e4m3-row", "fp8-e5m2-row", "fp8-e4m3-direct"},
		tool: "amax/448 in float32, a cast that saturates", class: Exact,
		make: func(m *match) (Recipe, error) {
			r, g, bits := fp8Rule{format: e4m3}, rowWise, 32.0
			if m.is(1, "e5m2") {
				r.format = e5m2
			}
			switch m.groups[2] {
			case "tensor":
				g = Granularity{}
			case "direct":
				r.tool, g, bits = fp8Direct, Granularity{}, 0
			}
			return single{blocks{name: m.name, granularity: g, rule: r, upcasts: true, code: 8, parameters: bits}}, nil
		},
	},
	{
		pattern: whole("fp8-e4m3-b128(:deepseek|:ue8m0|:transformers)?"), shown: "fp8-e4m3-b128, with :ue8m0, :transformers", examples: []string{"fp8-e4m3-b128", "fp8-e4m3-b128:ue8m0", "fp8-e4m3-b128:transformers"},
		tool: "DeepSeek-V3, tiles of 128×128", class: Restated,
		make: func(m *match) (Recipe, error) {
			b := blocks{name: m.name, granularity: tiled, rule: fp8Rule{format: e4m3}, upcasts: true, code: 8, parameters: 32}
			switch m.groups[1] {
			case ":deepseek":
				b.name = "fp8-e4m3-b128"
			case ":ue8m0":
				b.rule, b.parameters = fp8Rule{e4m3, fp8UE8M0}, 8
			case ":transformers":
				b.rule = fp8Rule{e4m3, fp8Transformers}
			}
			return single{b}, nil
		},
	},
	{
		pattern: whole("mx(fp4|fp6-e2m3|fp6-e3m2|fp8-e4m3|fp8-e5m2|int8|int4|int2):(floor|even|rceil|ceil|nearest|microxcaling|microxcaling-even|modelopt)"), shown: "mxfp4:RULE, mxfp6-e2m3, mxfp6-e3m2, mxfp8-e4m3, mxfp8-e5m2, mxint8; RULE is floor, even, rceil, ceil, nearest microxcaling or microxcaling-even",
		examples: []string{"mxfp4:floor", "mxfp4:even", "mxfp4:rceil", "mxfp6-e2m3:floor", "mxfp6-e3m2:floor", "mxfp8-e4m3:floor", "mxfp8-e5m2:floor", "mxint8:floor", "mxfp4:microxcaling"},
		tool:     "OCP MX; torchao 0.19 for floor, even, rceil, ceil; microxcaling rounds half away", class: Exact, make: makeMX,
	},
	{
		pattern: whole("nvfp4:(modelopt|torchao|single)"), shown: "nvfp4:modelopt, nvfp4:torchao, nvfp4:single", examples: []string{"nvfp4:modelopt", "nvfp4:torchao", "nvfp4:single"}, tool: "ModelOpt, torchao 0.19", class: Exact,
		make: func(m *match) (Recipe, error) {
			b := blocks{name: m.name, granularity: grouped(16), upcasts: true, code: 4, parameters: 8, whole: 32}
			switch m.groups[1] {
			case "modelopt":
				b.rule, b.remainder = nvfp4{nvfp4ModelOpt}, refused
			case "torchao":
				b.rule, b.remainder = nvfp4{nvfp4Torchao}, refused
			case "single":
				b.rule, b.whole, b.remainder = nvfp4{nvfp4Single}, 0, refused
			}
			return single{b}, nil
		},
	},
	{
		pattern: whole("bitnet"), shown: "bitnet", examples: []string{"bitnet"}, tool: "transformers, BitNet b1.58: no way to quantize models that were not trained with it", class: Order,
		make: func(*match) (Recipe, error) { return Uniform(bitnet{}), nil },
	},
}

func makePlain(m *match) (Recipe, error) {
	g, err := groupOf(m.groups[2], rowWise)
	k := m.number(1, 4)
	r := plainInt{k, m.is(3, "-asym")}
	b := blocks{name: fmt.Sprintf("int%d%s%s", k, g.suffix(), m.groups[3]), granularity: g, rule: r, upcasts: true, code: float64(k), parameters: 16}
	if r.asymmetric {
		b.parameters += float64(k)
	}
	return single{b}, err
}

func makeBNB(m *match) (Recipe, error) {
	size := m.number(3, 64)
	r := bnb4bit{fp4: m.is(1, "fp4"), double: m.is(4, "-dq")}
	b := blocks{name: "bnb-" + m.groups[1], granularity: Granularity{Run: size}, rule: r, code: 4, parameters: 32}
	if size != 64 {
		b.name += fmt.Sprintf("-b%d", size)
	}
	if b.name += m.groups[4]; r.double {
		b.parameters, b.whole = 8+32./256, 32
	}
	return single{b}, nil
}

func makeHQQ(m *match) (Recipe, error) {
	g, err := groupOf(m.groups[2], grouped(64))
	h := hqq{bits: m.number(1, 4), group: g.Cols, first: m.is(3, "-axis0"), unrefined: m.is(4, "-noopt"), compute: checkpoint.F16}
	switch m.groups[5] {
	case ":bf16":
		h.compute = checkpoint.BF16
	case ":f32":
		h.compute = checkpoint.F32
	}
	return Uniform(h), err
}

func makeQuanto(m *match) (Recipe, error) {
	b := blocks{name: m.name, granularity: rowWise, code: 8, parameters: 16}
	if m.groups[2] != "" && m.groups[1] != "qfloat8" {
		return nil, fmt.Errorf("%s has no formats", m.groups[1])
	}
	switch m.groups[1] {
	case "qint8":
		b.rule = quantoInt8{}
	case "qfloat8":
		b.rule = fp8Rule{e4m3, fp8Quanto}
		if m.is(2, "-e5m2") {
			b.rule = fp8Rule{e5m2, fp8Quanto}
		} else {
			b.name = "quanto-qfloat8"
		}
	case "qint4":
		b.rule, b.code, b.parameters, b.granularity = quantoInt{4}, 4, 32, grouped(128)
	case "qint2":
		b.rule, b.code, b.parameters, b.granularity = quantoInt{2}, 2, 32, grouped(128)
	}
	return single{b}, nil
}

func makeTorchao(m *match) (Recipe, error) {
	g, err := groupOf(m.groups[2], grouped(128))
	b := blocks{name: m.name, granularity: g, remainder: refused, parameters: 16}
	switch {
	case m.is(1, "4-tinygemm"):
		if m.groups[3] != "" {
			return nil, fmt.Errorf("tinygemm has one rule only")
		}
		b.rule, b.code, b.parameters = tinygemm{}, 4, 32
		return single{b}, err
	case m.is(1, "8-intx"):
		b.code = 8
	default:
		b.code = float64(m.number(1, 4))
	}
	r := torchaoInt{bits: int(b.code)}
	switch m.groups[3] {
	case "-asym":
		r.mode = torchaoAsymmetric
		b.parameters += 8
	case "-noclip":
		r.mode = torchaoNoClipping
	}
	b.rule = r
	return single{b}, err
}

func makeGPTQ(m *match) (Recipe, error) {
	g, err := groupOf(m.groups[2], grouped(128))
	k := m.number(1, 4)
	r := gptqInt{bits: k, asymmetric: m.is(3, "-asym"), mse: m.is(4, "-mse")}
	if r.mse && g == rowWise {
		return nil, fmt.Errorf("-mse asks for groups")
	}
	name := fmt.Sprintf("gptq-int%d%s", k, g.suffix())
	if r.asymmetric {
		name += "-asym"
	}
	return single{blocks{name: name + m.groups[4], granularity: g, rule: r, upcasts: true, code: float64(k), parameters: float64(16 + k)}}, err
}

func makeCT(m *match) (Recipe, error) {
	b := blocks{name: m.name, granularity: grouped(128), remainder: refused, code: 8, parameters: 16}
	switch m.groups[1] {
	case "w4a16":
		b.rule, b.code = ctInt{bits: 4}, 4
	case "w4a16-asym":
		b.rule, b.code, b.parameters = ctInt{bits: 4, asymmetric: true}, 4, 20
	case "w8a16":
		b.rule = ctInt{bits: 8}
	case "w8a8":
		b.rule, b.granularity = ctInt{bits: 8}, rowWise
	case "fp8":
		b.rule, b.granularity = fp8Rule{e4m3, fp8CT}, Granularity{}
	case "fp8-dynamic":
		b.rule, b.granularity = fp8Rule{e4m3, fp8CT}, rowWise
	case "fp8-block":
		b.rule, b.granularity, b.remainder = fp8Rule{e4m3, fp8CT}, tiled, shortGroup
	case "nvfp4":
		b.rule, b.granularity, b.code, b.parameters, b.whole = nvfp4{nvfp4CT}, grouped(16), 4, 8, 32
	case "mxfp4":
		b.rule, b.granularity, b.code, b.parameters = mxRule{e2m1, mxEven, kernel.TiesEven, 1}, grouped(32), 4, 8
	case "mxfp8":
		b.rule, b.granularity, b.parameters = mxRule{e4m3, mxEven, kernel.TiesEven, 1}, grouped(32), 8
	}
	return single{b}, nil
}

func makeMX(m *match) (Recipe, error) {
	elements := map[string]kernel.Minifloat{
		"fp4": e2m1, "fp6-e2m3": e2m3, "fp6-e3m2": e3m2, "fp8-e4m3": e4m3, "fp8-e5m2": e5m2,
		"int8": mxInteger(8), "int4": mxInteger(4), "int2": mxInteger(2),
	}
	rules := map[string]mxScale{"floor": mxFloor, "even": mxEven, "rceil": mxRCeil, "ceil": mxCeil, "nearest": mxNearest, "microxcaling": mxLog2, "microxcaling-even": mxLog2, "modelopt": mxRCeil}
	bits := map[string]float64{"fp4": 4, "fp6-e2m3": 6, "fp6-e3m2": 6, "fp8-e4m3": 8, "fp8-e5m2": 8, "int8": 8, "int4": 4, "int2": 2}
	r := mxRule{element: elements[m.groups[1]], scale: rules[m.groups[2]], width: -1}
	if strings.HasPrefix(m.groups[1], "int") && r.scale != mxFloor && r.scale != mxLog2 {
		return nil, fmt.Errorf("integers have the rules floor and microxcaling")
	}
	switch m.groups[2] {
	case "microxcaling":
		r.ties = kernel.TiesAway
	case "modelopt":
		r.ties = kernel.TiesLow
	}
	b := blocks{name: m.name, granularity: grouped(32), rule: r, upcasts: true, code: bits[m.groups[1]], parameters: 8}
	if m.is(2, "modelopt") {
		b.remainder = refused
	}
	return single{b}, nil
}
