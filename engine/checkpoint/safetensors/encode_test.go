package safetensors

import (
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

func TestTotalSize(t *testing.T) {
	for _, tc := range []struct{ index, want string }{
		{`{"metadata":{"total_size": 12 ,"x":1},"weight_map":{"a":"m.safetensors"}}`, `{"metadata":{"total_size": 99 ,"x":1},"weight_map":{"a":"m.safetensors"}}`},
		{`{"metadata":{"total_size":1.6e+10},"weight_map":{"a":"m.safetensors"}}`, `{"metadata":{"total_size":99},"weight_map":{"a":"m.safetensors"}}`},
		{`{"metadata":{"total_size":"12"},"weight_map":{"a":"m.safetensors"}}`, `{"metadata":{"total_size":"12"},"weight_map":{"a":"m.safetensors"}}`},
		{`{"weight_map":{"a":"m.safetensors"}}`, `{"weight_map":{"a":"m.safetensors"}}`},
	} {
		x, err := parseIndex("i", []byte(tc.index))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(x.withTotalSize(99)); got != tc.want {
			t.Errorf("index became %s, want %s", got, tc.want)
		}
	}
}

// TestRetypeLimit retypes a header that thereby exceeds the limit of its length.
func TestRetypeLimit(t *testing.T) {
	skipHuge(t)
	const rest = `{"__metadata__":{"k":""},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}`
	text := []byte(strings.Replace(rest, `""`, `"`+strings.Repeat("x", MaxHeaderBytes-len(rest))+`"`, 1))
	h, err := parseHeader("f", text, 8)
	if err != nil {
		t.Fatal(err)
	}
	_, err = edit("f", text, h, &shardPlan{dtypes: []checkpoint.DType{checkpoint.F32}, sizes: []int64{32}})
	if err == nil || err.Error() != "new header of 100000008 bytes > limit 100000000" {
		t.Errorf("error %v", err)
	}
}
