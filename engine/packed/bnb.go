package packed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// BNB4 is the layout of 4 bits of bitsandbytes, NF4 and FP4:
//
//	weight                               U8 [n/2, 1]  two codes in a byte, the even one in the high bits
//	weight.absmax                        F32 [blocks], or U8 where it is quantized
//	weight.quant_map                     F32 [16]     what codes stand for
//	weight.nested_absmax                 F32 [blocks of blocks], of a quantized absmax
//	weight.nested_quant_map              F32 [256]
//	weight.quant_state.bitsandbytes__T   U8           an object in JSON; T is nf4 or fp4
//
// The n weights of the flattened matrix are in blocks of a size, which may cross rows. A weight is
// quant_map[code] × absmax, where a quantized absmax is nested_quant_map[c] × nested_absmax +
// nested_offset. The object holds quant_type, blocksize, dtype, shape, and nested_blocksize,
// nested_dtype and nested_offset. The bytes of the weight may be stored as another type. All that
// Open must know is there; the fields are for Pack.
//
// Source: bitsandbytes 95f9af30, functional.py, class QuantState.
type BNB4 struct {
	FP4    bool // FP4 instead of NF4
	Block  int  // weights that share a scale
	Double bool // the scales are quantized, too
	// Output is the type in which bitsandbytes is to leave weights: F16, BF16, or F32.
	Output checkpoint.DType
}

// maxState bounds the size of the object in JSON: those of bitsandbytes have up to 200 bytes.
const maxState = SmallPart

// Name returns the type and the size of blocks.
func (l BNB4) Name() string {
	name := fmt.Sprintf("bitsandbytes %s, blocks of %d", strings.ToUpper(l.book()), l.Block)
	if l.Double {
		name += ", double quantization"
	}
	return name
}

// book is the name of the codebook.
func (l BNB4) book() string {
	if l.FP4 {
		return "fp4"
	}
	return "nf4"
}

// state is what the object in JSON says.
type state struct {
	QuantType       string   `json:"quant_type"`
	BlockSize       int      `json:"blocksize"`
	DType           string   `json:"dtype"`
	Shape           []int    `json:"shape"`
	NestedBlockSize int      `json:"nested_blocksize"`
	NestedDType     string   `json:"nested_dtype"`
	NestedOffset    *float64 `json:"nested_offset"`
}

const statePrefix = "weight.quant_state.bitsandbytes__"

// state finds the object of a layer and checks it.
func (p Parts) state() (s state, name string, err error) {
	for part := range p {
		if strings.HasPrefix(part, statePrefix) {
			if name != "" {
				return s, "", checkpoint.Corruptf("parts %s and %s are there, where one is", min(name, part), max(name, part))
			}
			name = part
		}
	}
	if name == "" {
		return s, "", checkpoint.Incompletef("part %snf4 or fp4 is missing", statePrefix)
	}
	part, err := p.take(name, checkpoint.U8)
	if err != nil {
		return s, "", err
	}
	if part.size() > maxState {
		return s, "", checkpoint.Corruptf("part %s has %d bytes, which are too many", name, part.size())
	}
	if err := unique(part.Data); err != nil {
		return s, "", checkpoint.Corruptf("part %s: %v", name, err)
	}
	d := json.NewDecoder(bytes.NewReader(part.Data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, "", checkpoint.Corruptf("part %s: %v", name, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return s, "", checkpoint.Corruptf("part %s goes on behind its object", name)
	}
	return s, name, nil
}

// unique reports an error if an object of one level has a key twice.
func unique(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	seen := map[string]bool{}
	for depth, key := 0, false; ; {
		t, err := d.Token()
		if err != nil {
			return nil // that is for the decoder
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				depth++
			} else {
				depth--
			}
			key = t == '{' || depth == 1 && t != '['
		case string:
			if depth == 1 && key {
				if t = strings.ToLower(t); seen[t] {
					return fmt.Errorf("%s is there twice", checkpoint.Quote(t))
				}
				seen[t], key = true, false
				continue
			}
			key = depth == 1
		default:
			key = depth == 1
		}
	}
}

// check reports what is impossible in the object called name.
func (s state) check(name string) error {
	switch {
	case s.QuantType != "nf4" && s.QuantType != "fp4" || !strings.HasSuffix(name, "__"+s.QuantType):
		return checkpoint.Corruptf("part %s: quant_type is %s", name, checkpoint.Quote(s.QuantType))
	case s.BlockSize < 1 || s.BlockSize > 1<<20:
		return checkpoint.Corruptf("part %s: blocksize is %d", name, s.BlockSize)
	case len(s.Shape) != 2 || s.Shape[0] < 1 || s.Shape[1] < 1:
		return checkpoint.Corruptf("part %s: shape is %v, not two dimensions above 0", name, s.Shape)
	}
	return nil
}

// Open returns the weights of a layer.
func (l BNB4) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l BNB4) open(p Parts) (*matrix, error) {
	s, name, err := p.state()
	if err == nil {
		err = s.check(name)
	}
	if err != nil {
		return nil, err
	}
	w, err := p.take("weight", checkpoint.U8, checkpoint.I8, checkpoint.F16, checkpoint.BF16, checkpoint.F32)
	if err != nil {
		return nil, err
	}
	n, ok := product(s.Shape...)
	if !ok || w.size() != n/2+n%2 {
		return nil, checkpoint.Corruptf("part %s: shape is %v, but part weight has %d bytes", name, s.Shape, w.size())
	}
	values, err := p.shaped("weight.quant_map", []checkpoint.DType{checkpoint.F32}, []int{16})
	if err != nil {
		return nil, err
	}
	m := &matrix{layout: l, rows: s.Shape[0], cols: s.Shape[1], meaning: book(4, of(values, checkpoint.U8))}
	m.codes = nibbles{data: w.Data, cols: m.cols, high: true}
	m.groups.run = s.BlockSize
	blocks := parts(n, s.BlockSize)
	absmax, err := p.shaped("weight.absmax", []checkpoint.DType{checkpoint.F32, checkpoint.U8}, []int{blocks})
	if err != nil {
		return nil, err
	}
	if absmax.DType == checkpoint.F32 {
		m.scales.inner = of(absmax, checkpoint.U8)
		return m, nil
	}
	return m, m.nested(p, s, name, absmax)
}

// nested finds what quantized scales stand for.
func (m *matrix) nested(p Parts, s state, name string, absmax Part) error {
	if s.NestedBlockSize < 1 || s.NestedBlockSize > 1<<20 || s.NestedOffset == nil || s.NestedDType != "float32" {
		return checkpoint.Corruptf("part %s does not say how part weight.absmax is quantized: nested_blocksize %d, nested_dtype %s", name, s.NestedBlockSize, checkpoint.Quote(s.NestedDType))
	}
	float := []checkpoint.DType{checkpoint.F32}
	outer, err := p.shaped("weight.nested_absmax", float, []int{parts(absmax.Shape[0], s.NestedBlockSize)})
	if err != nil {
		return err
	}
	values, err := p.shaped("weight.nested_quant_map", float, []int{256})
	if err != nil {
		return err
	}
	m.scales = scales{
		inner: of(absmax, checkpoint.U8), table: book(8, of(values, checkpoint.U8)),
		outer: of(outer, checkpoint.U8), run: s.NestedBlockSize, offset: float32(*s.NestedOffset),
	}
	return nil
}

// nestedBlock is how many scales bitsandbytes quantizes together.
const nestedBlock = 256

// Pack stores the weight as U8.
func (l BNB4) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	n, ok := product(rows, cols)
	if !ok || n < 1 || l.Block < 1 {
		return nil, cannot(l, "%d×%d weights", rows, cols)
	}
	blocks := parts(n, l.Block)
	p := Parts{"weight": blank(checkpoint.U8, n/2+n%2, 1), "weight.quant_map": floatPart(l.values())}
	text := fmt.Sprintf(`{"quant_type": "%s", "blocksize": %d, "dtype": "%s", "shape": [%d, %d]`, l.book(), l.Block, torchName(l.Output), rows, cols)
	if l.Double {
		offset, err := l.offset(w, q)
		if err != nil {
			return nil, err
		}
		p["weight.absmax"] = blank(checkpoint.U8, blocks)
		p["weight.nested_absmax"] = blank(checkpoint.F32, parts(blocks, nestedBlock))
		p["weight.nested_quant_map"] = floatPart(quant.DynamicMap())
		text += fmt.Sprintf(`, "nested_blocksize": %d, "nested_dtype": "float32", "nested_offset": %s`, nestedBlock, pythonFloat(float64(offset)))
	} else {
		p["weight.absmax"] = blank(checkpoint.F32, blocks)
	}
	text += "}"
	p[statePrefix+l.book()] = Part{DType: checkpoint.U8, Shape: []int{len(text)}, Data: []byte(text)}
	return filled(p, w, q, l.open)
}

// offset returns the mean of the scales.
func (l BNB4) offset(w quant.Weights, q quant.Quantizer) (float32, error) {
	e, err := encoder(l, q, quant.Granularity{Run: l.Block})
	if err != nil {
		return 0, err
	}
	offset, known := float32(0), false
	w.Each(1, func(p quant.Piece) {
		if !known {
			e.Encode(make([]float32, 1), quant.Piece{W: p.W[:1], Row: p.Row, Col: p.Col, First: p.First, Width: p.Width}, func(_, _ int, g quant.Group) {
				offset, known = g.Offset, true
			})
		}
	})
	return offset, nil
}

// values returns what codes stand for, in the order of bitsandbytes.
func (l BNB4) values() []float32 {
	if !l.FP4 {
		return quant.NF4Map()
	}
	positive := []float32{0, 0.005208333333333333, 2. / 3, 1, 1. / 3, 0.5, 1. / 6, 0.25}
	all := slices.Clone(positive)
	for _, v := range positive {
		all = append(all, 0-v)
	}
	return all
}

// floatPart returns a part of float32 numbers.
func floatPart(x []float32) Part {
	p := blank(checkpoint.F32, len(x))
	checkpoint.F32.Encode(p.Data, x)
	return p
}

// torchName is how PyTorch calls a type of weights; float32 where there is none.
func torchName(d checkpoint.DType) string {
	switch d {
	case checkpoint.F16:
		return "float16"
	case checkpoint.BF16:
		return "bfloat16"
	}
	return "float32"
}

// pythonFloat writes a number as Python does.
func pythonFloat(x float64) string {
	if a := math.Abs(x); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// BNB8 is the layout of LLM.int8() of bitsandbytes:
//
//	weight         I8 [outputs, inputs]
//	SCB            F32 [outputs]  the largest magnitude of each row
//	weight_format  U8             0, for rows; it may be missing
//
// A weight is code × SCB × 0.007874015718698502, from the left to the right.
//
// Source: bitsandbytes 95f9af30, nn/modules.py.
type BNB8 struct{}

// Name returns what the method is called.
func (BNB8) Name() string { return "bitsandbytes LLM.int8()" }

// Open returns the weights of a layer.
func (l BNB8) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l BNB8) open(p Parts) (*matrix, error) {
	w, err := p.taken("weight", 2, checkpoint.I8)
	if err != nil {
		return nil, err
	}
	s, err := p.shaped("SCB", []checkpoint.DType{checkpoint.F32}, []int{w.Shape[0]})
	if err != nil {
		return nil, err
	}
	if _, ok := p["weight_format"]; ok {
		format, err := p.whole("weight_format", checkpoint.U8)
		if err != nil {
			return nil, err
		}
		if format != 0 {
			return nil, checkpoint.Unsupportedf("part weight_format is %d: rows, 0, are read", format)
		}
	}
	m := &matrix{layout: l, rows: w.Shape[0], cols: w.Shape[1], meaning: int8s, factor: 7.874015718698502e-3}
	m.codes = octets{w.Data, m.cols}
	m.scales.inner = of(s, checkpoint.U8)
	m.groups = grouping{rows: 1, down: 1}
	return m, nil
}

// Pack stores weight_format, too.
func (l BNB8) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	if rows < 1 || cols < 1 {
		return nil, cannot(l, "%d×%d weights", rows, cols)
	}
	p := Parts{"weight": blank(checkpoint.I8, rows, cols), "SCB": blank(checkpoint.F32, rows), "weight_format": scalar(checkpoint.U8, 0)}
	return filled(p, w, q, l.open)
}
