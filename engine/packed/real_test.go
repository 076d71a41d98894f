package packed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// A realCase is a checkpoint that a tool has made.
type realCase struct {
	layout Layout
	// again has Pack make the same bytes of the same codes and parameters.
	again bool
	// close is the relative error that is allowed: the expected weights are products in another
	// order.
	close float32
	// fails is a part of the error of a case that is broken.
	fails string
}

// realCases are those of the reference data that are read. What a layout does not find in the
// parts is from the config.json of the case.
var realCases = map[string]realCase{
	"gptq_4bit_g32_sym":             {layout: GPTQ{Bits: 4, Group: 32}, again: true},
	"gptq_4bit_g32_asym_actorder":   {layout: GPTQ{Bits: 4, Group: 32}},
	"gptq_3bit_channel":             {layout: GPTQ{Bits: 3, Group: -1}, again: true},
	"gptq_v2":                       {layout: GPTQ{Bits: 4, Group: 32, V2: true}, again: true},
	"gptq_zero_ambiguous":           {layout: GPTQ{Bits: 4, Group: 32}, again: true},
	"gptq_missing_scales-q_proj":    {layout: GPTQ{Bits: 4, Group: 32}, fails: "part scales is missing"},
	"gptq_missing_scales-down_proj": {layout: GPTQ{Bits: 4, Group: 32}, fails: "part g_idx says group"},
	"awq_gemm":                      {layout: AWQ{Group: 32}, again: true},
	"awq_gemv":                      {layout: AWQ{Group: 32, GEMV: true}, again: true},
	"bnb_nf4":                       {layout: BNB4{Block: 64, Output: checkpoint.F16}, again: true},
	"bnb_nf4_double":                {layout: BNB4{Block: 64, Double: true, Output: checkpoint.BF16}}, /* its nested_quant_map is that of an older PyTorch */
	"bnb_fp4":                       {layout: BNB4{FP4: true, Block: 64, Output: checkpoint.F16}, again: true},
	"bnb_int8":                      {layout: BNB8{}, again: true},
	"bnb_broken-q_proj":             {layout: BNB4{}, fails: "part weight.absmax has the shape [63], not [64]"},
	"bnb_broken-k_proj":             {layout: BNB4{}, fails: "blocksize is 0"},
	"bnb_broken-v_proj":             {layout: BNB4{}, fails: "shape is [64 64000], but part weight has 2048 bytes"},
	"bnb_broken-o_proj":             {layout: BNB4{}, fails: "part weight.quant_map has the shape [5], not [16]"},
	"ct_w4a16_group_sym":            {layout: Packed{Bits: 4, Group: 32, Scales: checkpoint.BF16}, again: true},
	"ct_w3_channel_asym":            {layout: Packed{Bits: 3, Asymmetric: true, Scales: checkpoint.BF16}, again: true},
	"ct_int8_channel":               {layout: Elements{DType: checkpoint.I8, Rows: 1, Scales: checkpoint.BF16}, again: true},
	"ct_fp8_channel":                {layout: Elements{DType: checkpoint.F8E4M3, Rows: 1, Scales: checkpoint.BF16}, again: true},
	"ct_nvfp4":                      {layout: FP4{Form: NVFP4}, again: true},
	"ct_mxfp4":                      {layout: FP4{Form: MXFP4}, again: true},
	"modelopt_nvfp4":                {layout: FP4{Form: ModelOpt}, again: true, close: 0x1p-23},
	"gptoss_mxfp4":                  {layout: FP4{Form: GPTOSS}},
	"fp8_block":                     {layout: Elements{DType: checkpoint.F8E4M3, Rows: 32, Cols: 32, Scale: "weight_scale_inv"}, again: true},
	"fp8_block_broken":              {layout: Elements{Rows: 32, Cols: 32, Scale: "weight_scale_inv"}, fails: "part weight_scale_inv has the shape [3 3], not [3 4]"},
	"fp8_tensor":                    {layout: Elements{DType: checkpoint.F8E4M3}, again: true},
	"fp8_plain":                     {layout: Elements{DType: checkpoint.F8E4M3, Unscaled: true}, again: true},
	"hqq_4bit":                      {layout: HQQ{Bits: 4, Group: 64}, again: true},
}

// readParts returns the tensors and the metadata of a safetensors file, without any checks.
func readParts(t *testing.T, path string) (Parts, map[string]string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := 8 + binary.LittleEndian.Uint64(data)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:end], &header); err != nil {
		t.Fatal(err)
	}
	all, meta := Parts{}, map[string]string{}
	for name, raw := range header {
		if name == "__metadata__" {
			if err := json.Unmarshal(raw, &meta); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var entry struct {
			DType   string
			Shape   []int
			Offsets [2]uint64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &entry); err != nil {
			t.Fatal(err)
		}
		d, _ := checkpoint.ParseDType(entry.DType)
		all[name] = Part{DType: d, Shape: entry.Shape, Data: data[end+entry.Offsets[0] : end+entry.Offsets[1]]}
	}
	return all, meta
}

// decoded returns all weights of a matrix.
func decoded(m Matrix) []float32 {
	rows, cols := m.Dims()
	x := make([]float32, rows*cols)
	for i := range rows {
		m.Decode(x[i*cols:][:cols], i, 0)
	}
	return x
}

// digest is the SHA-256 of weights as float32 numbers, with zeros positive.
func digest(x []float32) string {
	h := sha256.New()
	var b [4]byte
	for _, v := range x {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(v+0))
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TestReal decodes layers of checkpoints that tools have made: testdata/README.md.
func TestReal(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.safetensors")
	if len(files) != len(realCases) {
		t.Errorf("%d files for %d cases", len(files), len(realCases))
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".safetensors")
		t.Run(name, func(t *testing.T) {
			c, ok := realCases[name]
			if !ok {
				t.Fatal("no such case")
			}
			parts, meta := readParts(t, path)
			expected := parts["expected"]
			delete(parts, "expected")
			m, err := c.layout.Open(parts)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || !errors.Is(err, checkpoint.ErrCorrupt) {
					t.Errorf("got the error %v, want %s", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := decoded(m)
			want := make([]float32, len(expected.Data)/4)
			checkpoint.F32.Encoding().Decode(want, expected.Data)
			for i, v := range want {
				if !(abs(got[i]-v) <= c.close*abs(v)) {
					t.Fatalf("weight %d is %g, not %g", i, got[i], v)
				}
			}
			if sum := meta["sha256"]; sum != "" && len(want) < len(got) && digest(got) != sum {
				t.Errorf("the first %d weights are right, but not all", len(want))
			}
			if c.again {
				packAgain(t, c.layout, m.(*matrix), parts)
			}
		})
	}
}

// packAgain packs what a matrix was read from and compares bytes.
func packAgain(t *testing.T, l Layout, m *matrix, want Parts) {
	t.Helper()
	rows, cols := m.Dims()
	got, err := l.Pack(quant.Dense{Rows: rows, Cols: cols, W: decoded(m)}, reopened{m})
	if err != nil {
		t.Fatal(err)
	}
	for name, part := range got {
		w, ok := want[name]
		if ok && part.DType == w.DType && slices.Equal(part.Shape, w.Shape) && slices.Equal(part.Data, w.Data) {
			continue
		}
		if !ok && name == "weight_format" {
			continue
		}
		t.Errorf("part %s is %v %v, not %v %v", name, part.DType, part.Shape, w.DType, w.Shape)
		for i := range min(len(part.Data), len(w.Data)) {
			if part.Data[i] != w.Data[i] {
				t.Errorf("byte %d of part %s is %#x, not %#x", i, name, part.Data[i], w.Data[i])
				break
			}
		}
	}
}

// reopened is a quantizer that gives back the codes and parameters of a matrix, whatever the
// weights are.
type reopened struct{ m *matrix }

func (r reopened) Dequantize([]float32, quant.Piece) {}

func (r reopened) Groups() quant.Granularity { return r.m.groups.granularity() }

func (r reopened) Encode(codes []float32, p quant.Piece, f func(at, n int, g quant.Group)) {
	m := r.m
	p.EachRow(func(row, col, at, n int) {
		m.codes.read(codes[at:at+n], m.meaning, row, col)
		for i := range n {
			if codes[at+i] == 0 && m.codes.at(row, col+i) == 8 {
				codes[at+i] = float32(math.Copysign(0, -1))
			}
		}
		for n > 0 {
			group, place, some := m.groups.find(row, col, m.cols)
			some = min(some, n)
			g := quant.Group{Scale: m.scales.at(group), Zero: m.zeros.at(group, row, place)}
			if s := &m.scales; s.outer.data != nil {
				g.Outer, g.Offset = s.outer.at(group/s.run), s.offset
				if g.Inner = s.inner.at(group); s.table != nil {
					g.Inner = s.table.values[s.inner.data[group]]
				}
			}
			f(at, some, g)
			at, col, n = at+some, col+some, n-some
		}
	})
}

// TestShared decodes every layer of the reference data.
func TestShared(t *testing.T) {
	root := testgolden.Shared(t, "../..", "golden/formats/quantized")
	for name, c := range realCases {
		if c.fails != "" || name == "gptq_zero_ambiguous" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			all, _ := readParts(t, filepath.Join(root, name, "model.safetensors"))
			expected := testgolden.NPZ(t, filepath.Join(root, "../expected", "quantized__"+name+"__.npz"))
			compared := 0
			for layer, want := range expected {
				stem := strings.TrimSuffix(layer, ".weight")
				parts := Parts{}
				for part, p := range all {
					if behind, ok := strings.CutPrefix(part, stem); ok && len(behind) > 1 {
						parts[behind[1:]] = p
					}
				}
				if w, ok := parts["weight"]; ok && (w.DType == checkpoint.F16 || w.DType == checkpoint.BF16) || len(parts) == 0 || len(want.Shape) < 2 {
					continue
				}
				m, err := c.layout.Open(parts)
				if err != nil {
					t.Errorf("%s: %v", layer, err)
					continue
				}
				compared++
				floats := want.Floats()
				for i, v := range decoded(m) {
					if w := floats[i]; !(abs(v-w) <= c.close*abs(w)) {
						t.Errorf("%s: weight %d is %g, not %g", layer, i, v, w)
						break
					}
				}
				if c.again {
					packAgain(t, likeState(c.layout, parts), m.(*matrix), parts)
				}
			}
			if compared == 0 {
				t.Error("no layer was compared")
			}
		})
	}
}

// likeState returns the layout of bitsandbytes with the type that the object of a layer says.
func likeState(l Layout, p Parts) Layout {
	if b, ok := l.(BNB4); ok {
		if s, _, err := p.state(); err == nil && s.DType == "bfloat16" {
			b.Output = checkpoint.BF16
		}
		return b
	}
	return l
}
