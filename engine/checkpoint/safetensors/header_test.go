package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

// openBytes opens content as a file called m.safetensors.
func openBytes(t *testing.T, content []byte) (*Checkpoint, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	writeFile(t, path, content)
	c, err := Open(path)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// checkRefused checks the class and the text of an error, and that the text is
// one line without control characters.
func checkRefused(t *testing.T, err, class error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	if !errors.Is(err, class) {
		t.Errorf("error %q is not of class %q", err, class)
	}
	text := err.Error()
	if !strings.Contains(text, want) {
		t.Errorf("error %q does not contain %q", text, want)
	}
	if len(text) > 2000 || checkpoint.Printable(text) != text {
		t.Errorf("error of %d bytes is too long or not printable: %.200q", len(text), text)
	}
}

// TestHeaderRefused opens files each of which violates one rule of the package
// documentation.
func TestHeaderRefused(t *testing.T) {
	one := func(fields string) string { return `{"a":{` + fields + `}}` }
	f32 := func(shape, offsets string) string {
		return one(fmt.Sprintf(`"dtype":"F32","shape":%s,"data_offsets":%s`, shape, offsets))
	}
	pair := func(a, b string) string {
		return fmt.Sprintf(`{"a":{"dtype":"U8","shape":[4],"data_offsets":%s},"b":{"dtype":"U8","shape":[4],"data_offsets":%s}}`, a, b)
	}
	typed := func(dtype, shape string, end int) string {
		return one(fmt.Sprintf(`"dtype":%q,"shape":%s,"data_offsets":[0,%d]`, dtype, shape, end))
	}
	for _, tc := range []struct {
		name   string
		header string
		data   int
		want   string
	}{
		// Text.
		{"empty header", "", 0, "m.safetensors: header is empty"},
		{"byte order mark", "\xef\xbb\xbf{}", 0, "header starts with byte 0xef, want '{'"},
		{"leading space", " {}", 0, "header starts with byte 0x20"},
		{"array at the top", "[]", 0, "header starts with byte 0x5b"},
		{"invalid UTF-8", "{\"a\xff\":1}", 0, "header is not valid UTF-8 at byte 3"},
		{"UTF-8 of a surrogate", "{\"\xed\xa0\x80\":1}", 0, "not valid UTF-8 at byte 2"},
		{"half surrogate", `{"\ud800":{}}`, 0, "half of a surrogate pair at byte 2"},
		{"half surrogate, second", `{"\ude00":{}}`, 0, "half of a surrogate pair at byte 2"},
		{"half surrogate, escape behind", `{"\ud800\n":{}}`, 0, "half of a surrogate pair"},
		{"half surrogate, twice the first", `{"\ud800\ud800":{}}`, 0, "half of a surrogate pair"},
		{"NUL padding", "{}\x00\x00\x00\x00\x00\x00", 0, `header is not valid JSON: invalid character '\x00' after top-level value`},
		{"second value", "{}{}", 0, "not valid JSON"},
		{"unterminated", `{"a":`, 0, "not valid JSON"},
		{"trailing comma", `{"a":1,}`, 0, "not valid JSON"},
		{"raw newline in a name", "{\"a\n\":1}", 0, "not valid JSON"},
		{"deep nesting", strings.Repeat(`{"a":`, 1e5) + "1" + strings.Repeat("}", 1e5), 0, "exceeded max depth"},
		{"deep nesting that JSON allows", one(`"shape":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), 0, `tensor "a": shape entry 0 is an array, want an integer`},
		// Metadata.
		{"metadata not an object", `{"__metadata__":"x"}`, 0, `field "__metadata__": is the string "x", want an object`},
		{"metadata null", `{"__metadata__":null}`, 0, `field "__metadata__": is null, want an object`},
		{"metadata of numbers", `{"__metadata__":{"k":1}}`, 0, `key "k": value is the number 1, want a string`},
		{"metadata nested", `{"__metadata__":{"k":{}}}`, 0, `key "k": value is an object, want a string`},
		{"metadata null value", `{"__metadata__":{"k":null}}`, 0, `key "k": value is null, want a string`},
		{"metadata twice", `{"__metadata__":{},"__metadata__":{}}`, 0, `duplicate field "__metadata__"`},
		{"metadata key twice", `{"__metadata__":{"k":"1","\u006b":"2"}}`, 0, `duplicate key "k"`},
		// Names.
		{"duplicate name", `{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{}}`, 0, `tensor "a": duplicate tensor name`},
		{"duplicate name, escaped", `{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0061":{}}`, 0, `tensor "a": duplicate tensor name`},
		{"control characters in a name", `{"\u001b[2J\n\u202e":{}}`, 0, `tensor "\x1b[2J\n\u202e": no field "dtype"`},
		{"name too long", `{"` + strings.Repeat("n", 1025) + `":{}}`, 0, "1025 bytes > limit 1024"},
		{"name of 64 KiB", `{"` + strings.Repeat("é", 32768) + `":{}}`, 0, "65536 bytes > limit 1024"},
		// Fields.
		{"tensor not an object", `{"a":[]}`, 0, `tensor "a": is an array, want an object`},
		{"tensor a boolean", `{"a":true}`, 0, `tensor "a": is true, want an object`},
		{"no dtype", one(`"shape":[],"data_offsets":[0,0]`), 0, `no field "dtype"`},
		{"no shape", one(`"dtype":"F32","data_offsets":[0,0]`), 0, `no field "shape"`},
		{"no data_offsets", one(`"dtype":"F32","shape":[]`), 0, `no field "data_offsets"`},
		{"unknown field", one(`"dtype":"F32","x\n":1`), 0, `unknown field "x\n"`},
		{"field in another case", one(`"Dtype":"F32"`), 0, `unknown field "Dtype"`},
		{"duplicate dtype", one(`"dtype":"F32","dtype":"F32"`), 0, `duplicate field "dtype"`},
		{"duplicate shape", one(`"shape":[],"shape":[]`), 0, `duplicate field "shape"`},
		{"duplicate data_offsets, escaped", one(`"data_offsets":[0,0],"data\u005foffsets":[0,0]`), 0, `duplicate field "data_offsets"`},
		{"dtype a number", one(`"dtype":32`), 0, "dtype is the number 32, want a string"},
		{"shape a number", f32("4", "[0,16]"), 16, "shape is the number 4, want an array"},
		{"shape of strings", f32(`["4"]`, "[0,16]"), 16, `shape entry 0 is the string "4", want an integer`},
		{"shape null", f32("[null]", "[0,16]"), 16, "shape entry 0 is null"},
		{"rank 9", f32("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "shape has more than 8 entries"},
		{"rank 33", f32("["+strings.Repeat("1,", 32)+"1]", "[0,4]"), 4, "shape has more than 8 entries"},
		// Numbers.
		{"fraction", f32("[1.0]", "[0,4]"), 4, "shape entry 0 is 1.0, want digits only"},
		{"exponent", f32("[1e0]", "[0,4]"), 4, "is 1e0, want digits only"},
		{"negative", f32("[-1]", "[0,4]"), 4, "is -1, want digits only"},
		{"negative zero", f32("[1]", "[-0,4]"), 4, "data_offsets entry 0 is -0, want digits only"},
		{"negative offset", f32("[1]", "[-4,0]"), 4, "is -4, want digits only"},
		{"beyond int64", f32("[9223372036854775808]", "[0,4]"), 4, "is 9223372036854775808 > limit 9223372036854775807"},
		{"beyond uint64", f32("[1]", "[0,18446744073709551616]"), 4, "data_offsets entry 1 is 18446744073709551616 > limit"},
		{"a thousand digits", f32("["+strings.Repeat("9", 1000)+"]", "[0,4]"), 4, "... > limit"},
		{"offset above 2^53", f32("[1]", "[9007199254740993,9007199254740997]"), 4, "data_offsets begin 9007199254740993 > end of previous tensor 0"},
		// Offsets.
		{"one offset", f32("[1]", "[0]"), 4, "data_offsets has 1 entries, want 2"},
		{"three offsets", f32("[1]", "[0,4,4]"), 4, "data_offsets has more than 2 entries"},
		{"no offsets", f32("[1]", "[]"), 4, "data_offsets has 0 entries, want 2"},
		{"reversed", f32("[1]", "[4,0]"), 4, "data_offsets begin 4 > end 0"},
		{"hole at the start", f32("[1]", "[4,8]"), 8, "data_offsets begin 4 > end of previous tensor 0"},
		{"hole between", pair("[0,4]", "[5,9]"), 9, `tensor "b": data_offsets begin 5 > end of previous tensor 4`},
		{"overlap", pair("[0,4]", "[2,6]"), 6, `tensor "b": data_offsets begin 2 < end of previous tensor 4`},
		{"overlap, other order", pair("[2,6]", "[0,4]"), 6, `tensor "a": data_offsets begin 2 < end of previous tensor 4`},
		{"same range twice", pair("[0,4]", "[0,4]"), 4, `tensor "b": data_offsets begin 0 < end of previous tensor 4`},
		{"beyond the file", f32("[1]", "[0,4]"), 3, "data_offsets end 4 > 3 bytes of data in the file"},
		{"trailing bytes", f32("[1]", "[0,4]"), 5, "file holds 5 bytes of data, but its last tensor ends at 4"},
		{"data without tensors", "{}", 1, "file holds 1 bytes of data"},
		{"empty tensor inside another", `{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}`, 4, `tensor "b": data_offsets begin 2 < end of previous tensor 4`},
		{"unknown dtype out of bounds", typed("F33", "[1]", 8), 4, "data_offsets end 8 > 4"},
		{"unknown dtype, shape overflow", typed("F33", "[4294967296,4294967296]", 4), 4, "number of elements > limit"},
		// Sizes. The first three are published attacks on other readers.
		{"product wraps to 4", typed("F32", "[4194305,4194305,211106198978564]", 16), 16, "number of elements > limit"},
		{"shape larger than data", typed("F32", "[1000000]", 4), 4, "data_offsets span 4 bytes, but shape [1000000] of F32 takes 4000000"},
		{"shape smaller than data", typed("F32", "[1]", 8), 8, "data_offsets span 8 bytes, but shape [1] of F32 takes 4"},
		{"number of bits wraps", typed("F64", "[4611686018427387904]", 0), 0, "number of bits > limit"},
		{"product wraps before a zero", typed("F32", "[4611686018427387904,4,0]", 0), 0, "number of elements > limit"},
		{"scalar of no bytes", typed("F32", "[]", 0), 0, "data_offsets span 0 bytes, but shape [] of F32 takes 4"},
		{"F4 not on a byte", typed("F4", "[3]", 2), 2, "shape [3] of F4: 12 bits do not end on a byte"},
		{"F6 not on a byte", typed("F6_E2M3", "[2,3]", 5), 5, "36 bits do not end on a byte"},
		{"F6 scalar", typed("F6_E3M2", "[]", 1), 1, "6 bits do not end on a byte"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			content := binary.LittleEndian.AppendUint64(nil, uint64(len(tc.header)))
			content = append(content, tc.header...)
			_, err := openBytes(t, append(content, make([]byte, tc.data)...))
			checkRefused(t, err, checkpoint.ErrCorrupt, tc.want)
			checkRefused(t, err, checkpoint.ErrCorrupt, "m.safetensors: ")
		})
	}
}

func TestHeaderAccepted(t *testing.T) {
	for _, tc := range []struct {
		name    string
		header  string
		data    int
		tensors int
	}{
		{"nothing", `{}`, 0, 0},
		{"metadata only", `{"__metadata__":{}}`, 0, 0},
		{"trailing white space", "{} \t\r\n  ", 0, 0},
		{"white space inside", "{ \"a\" : { \"dtype\" : \"U8\" , \"shape\" : [ 1 , 2 ] , \"data_offsets\" : [ 0 , 2 ] } }", 2, 1},
		{"rank 0", `{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4, 1},
		{"rank 8", `{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, 4, 1},
		{"dimension 0", `{"a":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]}}`, 0, 1},
		{"huge dimensions and 0", `{"a":{"dtype":"F32","shape":[0,4611686018427387904,9],"data_offsets":[0,0]}}`, 0, 1},
		{"empty tensors share an offset", `{"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"c":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 2, 4},
		{"empty name", `{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, 1},
		{"surrogate pair", `{"\ud83d\ude00\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, 1},
		{"composed and decomposed names", `{"é":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"e\u0301":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2, 2},
		{"unknown dtype", `{"a":{"dtype":"F3\n","shape":[7],"data_offsets":[0,2]}}`, 2, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// The header is not padded, which is legal.
			text := strings.ReplaceAll(tc.header, "\n\"", `\n"`)
			content := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
			content = append(content, text...)
			c, err := openBytes(t, append(content, make([]byte, tc.data)...))
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Tensors()) != tc.tensors {
				t.Errorf("%d tensors, want %d", len(c.Tensors()), tc.tensors)
			}
			if tc.name == "unknown dtype" {
				tensor := c.Tensors()[0]
				if tensor.DType != checkpoint.InvalidDType || tensor.TypeName != "F3\n" || tensor.Size != 2 {
					t.Errorf("tensor is %+v, want type InvalidDType, name \"F3\\n\", 2 bytes", tensor)
				}
			}
		})
	}
}

func TestHeaderLength(t *testing.T) {
	for _, tc := range []struct {
		n    uint64
		want string
	}{
		{0, "header is empty"},
		{1, "not valid JSON"},
		{7, "not valid JSON"},
		{9, "header length 9 > 8 bytes left in the file"},
		{100_000_000, "header length 100000000 > 8 bytes left in the file"},
		{100_000_001, "header length 100000001 > limit 100000000"},
		{1 << 31, "header length 2147483648 > limit 100000000"},
		{1 << 63, "header length 9223372036854775808 > limit 100000000"},
		{1<<63 - 8, "header length 9223372036854775800 > limit 100000000"},
		{1<<64 - 1, "header length 18446744073709551615 > limit 100000000"},
		{binary.LittleEndian.Uint64([]byte("version ")), "header length 2336927755350992246 > limit 100000000"},
	} {
		t.Run(fmt.Sprint(tc.n), func(t *testing.T) {
			content := append(binary.LittleEndian.AppendUint64(nil, tc.n), "{      }"...)
			_, err := openBytes(t, content)
			checkRefused(t, err, checkpoint.ErrCorrupt, tc.want)
		})
	}
}

func small() []byte {
	return testsource.Safetensors(testsource.Model([]checkpoint.DType{checkpoint.F32, checkpoint.F4})[:4],
		map[string]string{"format": "pt", "\u00e9": "\n"})
}

// TestTruncated opens every proper prefix of a file. None is a valid file.
func TestTruncated(t *testing.T) {
	content := small()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	for n := range content {
		writeFile(t, path, content[:n])
		_, err := Open(path)
		if err == nil {
			t.Fatalf("no error for the first %d of %d bytes", n, len(content))
		}
		checkRefused(t, err, checkpoint.ErrCorrupt, "m.safetensors: ")
	}
}

// TestBitFlips flips each bit of the length field and the header. Open must return an
// error or a valid model.
func TestBitFlips(t *testing.T) {
	content := small()
	header := 8 + int(binary.LittleEndian.Uint64(content))
	path := filepath.Join(t.TempDir(), "m.safetensors")
	accepted := 0
	for bit := range 8 * header {
		flipped := append([]byte(nil), content...)
		flipped[bit/8] ^= 1 << (bit % 8)
		writeFile(t, path, flipped)
		c, err := Open(path)
		if err != nil {
			checkRefused(t, err, checkpoint.ErrCorrupt, "m.safetensors: ")
			continue
		}
		accepted++
		checkInvariants(t, c.shards[0].info.Size(), c)
		c.Close()
	}
	if accepted == 0 {
		t.Error("no flip was accepted, but those in names must be")
	}
}

// checkInvariants checks the byte ranges of the tensors of a single file and reads them.
func checkInvariants(t *testing.T, size int64, c *Checkpoint) {
	t.Helper()
	for i := range c.Tensors() {
		tensor := &c.Tensors()[i]
		if tensor.Offset < 8 || tensor.Size < 0 || tensor.Offset > size-tensor.Size {
			t.Fatalf("%q: bytes %d+%d of %d", tensor.Name, tensor.Offset, tensor.Size, size)
		}
		if b := int64(tensor.DType.Bits()); b > 0 && tensor.Elements()*b != 8*tensor.Size {
			t.Fatalf("%q: %d elements of %d bits in %d bytes", tensor.Name, tensor.Elements(), b, tensor.Size)
		}
		if err := c.ReadTensor(make([]byte, tensor.Size), tensor); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAllocation opens small files that claim to be huge.
func TestAllocation(t *testing.T) {
	for name, content := range map[string][]byte{
		"header length": append(binary.LittleEndian.AppendUint64(nil, MaxHeaderBytes), "{}"...),
		"shape":         testsource.File(`{"a":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4]}}`, make([]byte, 4)),
		"offsets":       testsource.File(`{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}`, make([]byte, 4)),
		"both, F4":      testsource.File(`{"a":{"dtype":"F4","shape":[2305843009213693952],"data_offsets":[0,1152921504606846976]}}`, nil),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.safetensors")
			writeFile(t, path, content)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Open(path)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("no error")
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
				t.Errorf("allocated %d bytes, want less than 1 MiB", n)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	tooLarge := int64(MaxTensorBytes + 1)
	_, err := parseHeader("m", fmt.Appendf(nil, `{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%[1]d]}}`, tooLarge), tooLarge)
	checkRefused(t, err, checkpoint.ErrCorrupt, "span 1099511627777 bytes > limit 1099511627776")

	defer func(n int) { maxTensors = n }(maxTensors)
	maxTensors = 100
	many := []byte("{")
	for i := range maxTensors {
		many = fmt.Appendf(many, `"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`, i)
	}
	legal := string(many[:len(many)-1]) + "}"
	if _, err := parseHeader("m", []byte(legal), 0); err != nil {
		t.Errorf("100 tensors: %v", err)
	}
	_, err = parseHeader("m", append(many, `"x":{}}`...), 0)
	checkRefused(t, err, checkpoint.ErrCorrupt, "more than 100 tensors")

	// Each of the two shards is legal by itself.
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, shard1), testsource.File(legal, nil))
	writeFile(t, filepath.Join(dir, shard2), testsource.File(`{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, nil))
	_, err = Open(dir)
	checkRefused(t, err, checkpoint.ErrCorrupt, "checkpoint holds more than 100 tensors")

	many = []byte(`{"weight_map":{`)
	for i := range maxTensors + 1 {
		many = fmt.Appendf(many, `"%d":"a.safetensors",`, i)
	}
	_, err = parseIndex("i", append(many[:len(many)-1], "}}"...))
	checkRefused(t, err, checkpoint.ErrCorrupt, "more than 100 tensors")
}

// skipHuge skips a test of headers near the limit, which takes seconds and some
// 700 MB of memory, unless the environment asks for it.
func skipHuge(t *testing.T) {
	t.Helper()
	if testing.Short() || os.Getenv("WWQ_TEST_HUGE") == "" {
		t.Skip("set WWQ_TEST_HUGE to test headers of 100 MB")
	}
}

// TestHugeHeader opens a file whose header, of metadata and tensors, is just below the
// limit.
func TestHugeHeader(t *testing.T) {
	skipHuge(t)
	var b strings.Builder
	b.WriteString(`{"__metadata__":{"k":"` + strings.Repeat("x", 20_000_000) + `"}`)
	for i := 0; b.Len() < 99_900_000; i++ {
		fmt.Fprintf(&b, `,"model.layers.%d.%s":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i, strings.Repeat("n", 80))
	}
	c, err := openBytes(t, testsource.File(b.String()+"}", nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d tensors", len(c.Tensors()))
}
