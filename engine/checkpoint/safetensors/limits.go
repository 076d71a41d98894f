package safetensors

// Limits of what is read. A file beyond one of them is refused with
// checkpoint.ErrCorrupt before memory of that size is allocated.
const (
	// MaxHeaderBytes is the limit of the reference implementation.
	MaxHeaderBytes = 100_000_000
	// MaxIndexBytes limits the index of a sharded checkpoint. The index of
	// the largest public models takes about 10 MB.
	MaxIndexBytes = 64 << 20
	// MaxTensors limits the tensors of a checkpoint, over all its files.
	MaxTensors = 1 << 20
	// MaxNameBytes limits the name of a tensor.
	MaxNameBytes = 1 << 10
	// MaxRank limits the number of dimensions of a tensor.
	MaxRank = 8
	// MaxTensorBytes limits the size of one tensor.
	MaxTensorBytes = 1 << 40

	// maxDepth limits the nesting of the parts of an index that are skipped.
	maxDepth = 32
)

// maxTensors is MaxTensors, but for tests that cannot write so many.
var maxTensors = MaxTensors
