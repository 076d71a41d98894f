package ggml

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// The golden files, for checkouts without the reference data: inputs.f32 has some rows of
// weights, float32 in little-endian order, and golden.json what ggml makes of them.
// go test -update takes both from the reference data.
const (
	inputsFile = "testdata/inputs.f32"
	goldenFile = "testdata/golden.json"
)

// A row says which weights of inputs.f32 are quantized together.
type row struct {
	Name          string
	Start, Length int
}

// A golden has, of one type, the hash of what ggml stores for all rows that it defines, and
// of what that stands for; and some random blocks with the hash of what they stand for.
type golden struct {
	Undefined    []string `json:",omitempty"`
	Bytes        string
	Values       string
	Random       string
	RandomValues string
}

type goldenData struct {
	Rows  []row
	Types map[string]golden
}

// hashValues hashes values as float32 in little-endian order, zeros as +0 and NaN as 0x7fc00000.
func hashValues(x []float32) string {
	data := make([]byte, 4*len(x))
	for i, v := range x {
		bits := math.Float32bits(v + 0)
		switch {
		case v == 0:
			bits = 0
		case v != v:
			bits = 0x7fc00000
		}
		binary.LittleEndian.PutUint32(data[4*i:], bits)
	}
	return hashBytes(data)
}

func hashBytes(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// updateGolden writes the golden files.
func updateGolden(t *testing.T) {
	inputs := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/inputs.npz"))
	reference := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/ggml.npz"))
	names, undefined := undefinedRows(t)
	data := goldenData{Types: map[string]golden{}}
	var weights []float32
	var origin []int // of each row, in its input
	for _, input := range []struct {
		name string
		rows int
	}{{"gauss", 2}, {"student", 2}, {"real", 2}, {"edge", 43}} {
		width := inputs[input.name].Shape[1]
		for r := range input.rows {
			name := input.name
			if name == "edge" {
				name = names[r]
			}
			data.Rows = append(data.Rows, row{name, len(weights), width})
			origin = append(origin, r)
			weights = append(weights, inputs[input.name].Floats()[r*width:(r+1)*width]...)
		}
	}
	for _, typ := range Types() {
		g := golden{Undefined: undefined[typ.Name()]}
		var stored []byte
		var values []float32
		for i, row := range data.Rows {
			if slices.Contains(g.Undefined, row.Name) {
				continue
			}
			input := row.Name
			if slices.Contains(names, input) {
				input = "edge"
			}
			b, v := reference[typ.Name()+"/"+input+"/bytes"], reference[typ.Name()+"/"+input+"/dq"].Floats()
			stride := b.Shape[1]
			stored = append(stored, b.Data[origin[i]*stride:(origin[i]+1)*stride]...)
			values = append(values, v[origin[i]*row.Length:(origin[i]+1)*row.Length]...)
		}
		g.Bytes, g.Values = hashBytes(stored), hashValues(values)
		n, size := typ.Block()
		g.Random = base64.StdEncoding.EncodeToString(reference[typ.Name()+"/randombytes/bytes"].Data[:4*size])
		g.RandomValues = hashValues(reference[typ.Name()+"/randombytes/dq"].Floats()[:4*n])
		data.Types[typ.Name()] = g
	}
	var raw bytes.Buffer
	binary.Write(&raw, binary.LittleEndian, weights)
	text, err := json.MarshalIndent(data, "", " ")
	if err == nil {
		err = os.WriteFile(inputsFile, raw.Bytes(), 0o666)
	}
	if err == nil {
		err = os.WriteFile(goldenFile, append(text, '\n'), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// loadGolden returns what the golden files hold.
func loadGolden(t testing.TB) (data goldenData, weights []float32) {
	t.Helper()
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(inputsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &data); err != nil {
		t.Fatal(err)
	}
	weights = make([]float32, len(raw)/4)
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, weights); err != nil {
		t.Fatal(err)
	}
	return data, weights
}

// TestGolden holds every instruction set to the golden files.
func TestGolden(t *testing.T) {
	if flag.Lookup("update").Value.String() == "true" {
		updateGolden(t)
	}
	data, weights := loadGolden(t)
	eachSet(t, func(t *testing.T, set Set) {
		for _, typ := range Types() {
			g := data.Types[typ.Name()]
			n, size := typ.Block()
			var stored []byte
			var values []float32
			for _, row := range data.Rows {
				if slices.Contains(g.Undefined, row.Name) {
					continue
				}
				src := weights[row.Start : row.Start+row.Length]
				b, v := make([]byte, len(src)/n*size), make([]float32, len(src))
				if !set.quantize(typ, b, src, len(src)/n) {
					t.Errorf("%s: %s overflows", typ, row.Name)
				}
				set.decode(typ, v, b, len(src)/n)
				stored, values = append(stored, b...), append(values, v...)
			}
			if hashBytes(stored) != g.Bytes {
				t.Errorf("%s: stored bytes are not those of ggml", typ)
			}
			if hashValues(values) != g.Values {
				t.Errorf("%s: values are not those of ggml", typ)
			}
			random, err := base64.StdEncoding.DecodeString(g.Random)
			if err != nil {
				t.Fatal(err)
			}
			values = make([]float32, len(random)/size*n)
			if set.decode(typ, values, random, len(random)/size); hashValues(values) != g.RandomValues {
				t.Errorf("%s: random bytes do not stand for what ggml says", typ)
			}
		}
	})
}

// gguf returns the tensors of a GGUF file that is well formed: by name, the number of the
// type and all bytes from the first of the tensor on.
func gguf(t *testing.T, data []byte) (types map[string]uint32, tensors map[string][]byte) {
	t.Helper()
	at := 0
	u32 := func() uint32 { at += 4; return binary.LittleEndian.Uint32(data[at-4:]) }
	u64 := func() int { at += 8; return int(binary.LittleEndian.Uint64(data[at-8:])) }
	text := func() string { n := u64(); at += n; return string(data[at-n : at]) }
	sizes := map[uint32]int{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
	var skip func(kind uint32)
	skip = func(kind uint32) {
		switch kind {
		case 8:
			text()
		case 9:
			inner := u32()
			for range u64() {
				skip(inner)
			}
		default:
			at += sizes[kind]
		}
	}
	if magic, version := u32(), u32(); magic != 0x46554747 || version != 3 {
		t.Fatal("no GGUF file of version 3")
	}
	count, pairs := u64(), u64()
	for range pairs {
		text()
		skip(u32())
	}
	types, tensors = map[string]uint32{}, map[string][]byte{}
	offsets := map[string]int{}
	for range count {
		name := text()
		for range u32() {
			u64()
		}
		types[name], offsets[name] = u32(), u64()
	}
	start := (at + 31) / 32 * 32
	for name, offset := range offsets {
		tensors[name] = data[start+offset:]
	}
	return types, tensors
}

// TestFile: the tensors of a GGUF file that ggml has written decode to what it says.
func TestFile(t *testing.T) {
	data, err := os.ReadFile(testgolden.Shared(t, "../..", "golden/schemes/ggml-types.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	want := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/ggml-types.npz"))
	types, tensors := gguf(t, data)
	seen := map[Type]bool{}
	for name, id := range types {
		typ, ok := ByID(id)
		if !ok {
			continue
		}
		seen[typ] = true
		values := want[name].Floats()
		n, size := typ.Block()
		got := make([]float32, len(values))
		typ.Decode(got, tensors[name][:len(values)/n*size])
		compare(t, name, 0, got, values)
	}
	if len(seen) != len(Types()) {
		t.Errorf("only %d types in the file", len(seen))
	}
}
