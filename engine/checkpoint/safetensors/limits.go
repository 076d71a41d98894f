package safetensors

// Limits of what Open accepts. A file that exceeds one of them is refused with
// checkpoint.ErrCorrupt, before memory of that size is allocated.
const (
	// MaxHeaderBytes is the limit of the reference implementation.
	MaxHeaderBytes = 100_000_000
	// MaxIndexBytes limits the index of a sharded checkpoint. The index of
	// the largest public models takes about 10 MB.
	MaxIndexBytes = 64 << 20
	// MaxTensors limits the number of tensors of a checkpoint, in all its files.
	MaxTensors = 1 << 20
	// MaxNameBytes limits the length of the name of a tensor in bytes.
	MaxNameBytes = 1 << 10
	// MaxRank limits the number of dimensions of a tensor.
	MaxRank = 8
	// MaxTensorBytes limits the size of one tensor in bytes.
	MaxTensorBytes = 1 << 40

	// maxDepth limits the nesting of the values of an index that are skipped.
	maxDepth = 32
)

// maxTensors is MaxTensors; tests lower it, because they cannot write so many.
var maxTensors = MaxTensors
