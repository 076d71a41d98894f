package gguf

import (
	"bytes"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

const suffix = ".gguf"

// Format recognises GGUF files.
var Format = checkpoint.Format{
	Name:     "a GGUF file",
	Match:    func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) },
	Suffixes: []string{suffix},
	Open: func(path string, _ func(error) error) (checkpoint.Source, error) {
		c, err := Open(path)
		if err != nil {
			return nil, err // returning c would put a nil pointer into the interface
		}
		return c, nil
	},
}
