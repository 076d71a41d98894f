package open

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
)

// A format is a kind of file or folder that Open recognises.
type format struct {
	name string // with its article, for errors
	// match recognises a file by its first bytes, at most sniffBytes of them. It is nil
	// for a format that cannot be recognised by content.
	match func(head []byte) bool
	// suffixes are the endings of the names of such files. A folder is searched for
	// them format by format, in the order of the table.
	suffixes []string
	// open is nil if there is no reader for the format; hint then says what to do.
	open func(path string) (checkpoint.Source, error)
	hint string
}

// sniffBytes is the largest number of bytes that match is given.
const sniffBytes = 64

const convertTorch = "load it in PyTorch, in an isolated place since such files can run code, and save it with safetensors"

// formats lists all formats. If several match a file, the first is taken.
var formats = []*format{
	{
		name:     "a safetensors file",
		match:    isSafetensors,
		suffixes: []string{".safetensors", ".safetensors.index.json"},
		open: func(path string) (checkpoint.Source, error) {
			c, err := safetensors.Open(path)
			if err != nil {
				return nil, err // returning c would put a nil pointer into the interface
			}
			return c, nil
		},
	},
	{
		name:     "a GGUF file",
		match:    prefix("GGUF"),
		suffixes: []string{".gguf"},
		hint:     "its weights are quantized already; use the original safetensors checkpoint",
	},
	{
		name:     "a ggml file from before GGUF",
		match:    anyOf(prefix("tjgg"), prefix("lmgg"), prefix("algg"), prefix("ggjt"), prefix("ggml"), prefix("ggla")),
		suffixes: []string{".ggml"},
		hint:     "use the original safetensors checkpoint",
	},
	{
		name:     "an HDF5 file",
		match:    prefix("\x89HDF\r\n\x1a\n"),
		suffixes: []string{".h5", ".hdf5"},
		hint:     "save the weights with safetensors",
	},
	{
		name:     "a NumPy file",
		match:    prefix("\x93NUMPY"),
		suffixes: []string{".npy", ".npz"},
		hint:     "save the arrays with safetensors.numpy.save_file",
	},
	{
		name:     "a zip file (PyTorch, Keras, NumPy or NeMo)",
		match:    anyOf(prefix("PK\x03\x04"), prefix("PK\x05\x06")),
		suffixes: []string{".bin", ".pt", ".pth", ".ckpt", ".keras", ".nemo"},
		hint:     "if it is a PyTorch checkpoint, " + convertTorch,
	},
	{
		name: "a pickle file (PyTorch)",
		match: func(head []byte) bool {
			return len(head) >= 2 && head[0] == 0x80 && 2 <= head[1] && head[1] <= 5
		},
		suffixes: []string{".pkl"},
		hint:     convertTorch,
	},
	{
		name:  "a Git LFS pointer",
		match: prefix("version https://git-lfs"),
		hint:  "fetch the weights with git lfs pull",
	},
	{
		name:  "an HTML page",
		match: anyOf(prefix("<!DOCTYPE"), prefix("<!doctype"), prefix("<html")),
		hint:  "the download returned a web page; download the file itself",
	},
	{
		name:  "a JSON file",
		match: prefix("{"),
		hint:  "name the folder of the model, or its *.safetensors.index.json",
	},
	{
		name:     "an ONNX file",
		match:    isONNX,
		suffixes: []string{".onnx"},
		hint:     "use the checkpoint from which it was exported, in safetensors",
	},
	{name: "a Flax file", suffixes: []string{".msgpack"}, hint: "convert it to safetensors with transformers"},
	{name: "a TensorFlow file", suffixes: []string{".pb", ".tflite"}, hint: "convert it to safetensors with transformers"},
	{name: "a part of a distributed PyTorch checkpoint", suffixes: []string{".distcp"}, hint: "merge the parts and save them with safetensors"},
}

func prefix(magic string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }
}

func anyOf(match ...func([]byte) bool) func([]byte) bool {
	return func(head []byte) bool {
		for _, m := range match {
			if m(head) {
				return true
			}
		}
		return false
	}
}

// isSafetensors reports whether head starts with a plausible header length, which a
// brace follows.
func isSafetensors(head []byte) bool {
	return len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= safetensors.MaxHeaderBytes
}

// isONNX reports whether head starts like a file of any ONNX exporter: with ir_version,
// which is a varint field of number 1 with a small value, and another field of ModelProto.
func isONNX(head []byte) bool {
	if len(head) < 3 || head[0] != 0x08 || head[1] == 0 || head[1] > 32 {
		return false
	}
	field, wire := head[2]>>3, head[2]&7
	return 2 <= field && field <= 8 && (wire == 0 || wire == 2)
}

func (f *format) hasSuffix(name string) bool {
	for _, s := range f.suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}
