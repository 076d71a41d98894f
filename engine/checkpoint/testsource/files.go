package testsource

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// Safetensors returns the content of a safetensors file with the given tensors, in the
// given order. It is written as plainly as possible, so that readers and writers can be
// tested against it. metadata may be nil.
func Safetensors(tensors []Tensor, metadata map[string]string) []byte {
	var members []string
	if metadata != nil {
		members = append(members, `"__metadata__":`+jsonOf(metadata))
	}
	var data []byte
	for _, t := range tensors {
		begin := len(data)
		data = append(data, t.Data...)
		members = append(members, fmt.Sprintf(`%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`,
			jsonOf(t.Name), t.DType, jsonOf(t.Shape), begin, len(data)))
	}
	return File("{"+strings.Join(members, ",")+"}", data)
}

// File returns the content of a safetensors file: the length of the header, the header,
// padded with spaces to a multiple of 8 bytes, and data.
func File(header string, data []byte) []byte {
	for len(header)%8 != 0 {
		header += " "
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	file = append(file, header...)
	return append(file, data...)
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, integers and maps of them cannot fail
	}
	return string(text)
}
