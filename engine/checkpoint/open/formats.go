package open

import (
	"bytes"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/gguf"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
)

// sniffBytes is the largest number of bytes that Match is given.
const sniffBytes = 512

const convertTorch = "load it in PyTorch, in an isolated place since such files can run code, and save it with safetensors"

// formats lists all formats. If several match a file, the first is taken.
var formats = append([]*checkpoint.Format{
	&safetensors.Format,
	&gguf.Format,
	{
		Name:     "a ggml file from before GGUF",
		Match:    prefix("tjgg", "lmgg", "algg", "ggjt", "ggml", "ggla"),
		Suffixes: []string{".ggml"},
		Hint:     "use the original safetensors checkpoint",
	},
	{
		Name:     "an HDF5 file",
		Match:    prefix("\x89HDF\r\n\x1a\n"),
		Suffixes: []string{".h5", ".hdf5"},
		Hint:     "save the weights with safetensors",
	},
	{
		Name:     "a NumPy file",
		Match:    prefix("\x93NUMPY"),
		Suffixes: []string{".npy", ".npz"},
		Hint:     "save the arrays with safetensors.numpy.save_file",
	},
	{
		Name:     "a zip file (PyTorch, Keras, NumPy or NeMo)",
		Match:    prefix("PK\x03\x04", "PK\x05\x06"),
		Suffixes: []string{".bin", ".pt", ".pth", ".ckpt", ".keras", ".nemo"},
		Hint:     "if it is a PyTorch checkpoint, " + convertTorch,
	},
	{
		Name: "a pickle file (PyTorch)",
		Match: func(head []byte) bool {
			return len(head) >= 2 && head[0] == 0x80 && 2 <= head[1] && head[1] <= 5
		},
		Suffixes: []string{".pkl"},
		Hint:     convertTorch,
	},
	{
		Name:     "an ONNX file",
		Match:    isONNX,
		Suffixes: []string{".onnx"},
		Hint:     "use the checkpoint from which it was exported, in safetensors",
	},
	{Name: "a Flax file", Suffixes: []string{".msgpack"}, Hint: "convert it to safetensors with transformers"},
	{Name: "a TensorFlow file", Suffixes: []string{".pb", ".tflite"}, Hint: "convert it to safetensors with transformers"},
	{Name: "a part of a distributed PyTorch checkpoint", Suffixes: []string{".distcp"}, Hint: "merge the parts and save them with safetensors"},
	{
		Name:  "an archive",
		Match: isArchive,
		Hint:  "unpack it and name the folder of the model",
	},
}, words...)

// prefix matches files that begin with one of the given strings.
func prefix(magic ...string) func([]byte) bool {
	return func(head []byte) bool {
		for _, m := range magic {
			if bytes.HasPrefix(head, []byte(m)) {
				return true
			}
		}
		return false
	}
}

// isArchive recognises files of gzip, xz, zstd, bzip2, 7-Zip and tar.
func isArchive(head []byte) bool {
	return prefix("\x1f\x8b", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "BZh", "7z\xbc\xaf\x27\x1c")(head) ||
		len(head) > 262 && string(head[257:262]) == "ustar"
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
