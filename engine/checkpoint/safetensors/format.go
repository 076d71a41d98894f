package safetensors

import (
	"encoding/binary"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Format recognises safetensors files, and folders and indexes of them.
var Format = checkpoint.Format{
	Name: "a safetensors file",
	// A file starts with a plausible header length, which a brace follows.
	Match: func(head []byte) bool {
		return len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= MaxHeaderBytes
	},
	Suffixes: []string{fileSuffix},
	IsIndex:  isIndexName,
	Open: func(path string, explain func(error) error) (checkpoint.Source, error) {
		c, err := open(path, explain)
		if err != nil {
			return nil, err // returning c would put a nil pointer into the interface
		}
		return c, nil
	},
}
