package checkpoint

import (
	"encoding/binary"
	"math"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// An Encoding says how the weights of a tensor lie in bytes: row after row, in blocks
// of a fixed number of weights that take a fixed number of bytes. A plain
// floating-point type has blocks of one weight; formats that store quantized weights
// have larger ones. Encodings are comparable, hold no state, and are safe for
// concurrent use.
type Encoding interface {
	// Name is how the format that defines the encoding calls it, such as "BF16".
	Name() string
	// Block returns how many weights one block holds and how many bytes it takes.
	Block() (weights, bytes int)
	// Decode writes the weights of the whole blocks in src to dst, rounded to
	// float32, to nearest even, where they do not fit: then values beyond its range
	// become infinite. len(dst) and len(src) must be of the same number of blocks.
	// It does not allocate.
	Decode(dst []float32, src []byte)
}

// A WideEncoding holds weights that float32 cannot hold, one in a block.
type WideEncoding interface {
	Encoding
	// DecodeWide writes the weights of the whole blocks in src to dst, exactly.
	DecodeWide(dst []float64, src []byte)
}

// A PlacedEncoding holds weights whose codes and scales lie in several places of the stored
// bytes. It is read through what Open returns: Decode is not called. Its blocks have one weight,
// of a size that is not known.
type PlacedEncoding interface {
	Encoding
	// ID is the same for encodings that read the same bytes as the same weights, and only for
	// those: it holds all their parameters.
	ID() string
	// Open checks the stored bytes of a whole tensor and returns its encoding with these
	// bytes, which must not change as long as it is used.
	Open(stored []byte) (BoundEncoding, error)
}

// A BoundEncoding is the encoding of one tensor, together with its bytes. It is safe for
// concurrent use.
type BoundEncoding interface {
	Encoding
	// DecodeAt writes the weights from index first on, in row-major order of the shape of the
	// tensor, to dst. They may be in several rows. It does not allocate.
	DecodeAt(dst []float32, first int)
}

// Encoding returns how elements of type d are read as weights. It is nil for types
// that hold codes whose meaning is kept elsewhere, or no real numbers.
func (d DType) Encoding() Encoding {
	switch d {
	case F64:
		return f64{}
	case F32:
		return f32{}
	case F16:
		return f16{}
	case BF16:
		return bf16{}
	}
	return nil
}

type (
	f64  struct{}
	f32  struct{}
	f16  struct{}
	bf16 struct{}
)

func (f64) Name() string  { return F64.String() }
func (f32) Name() string  { return F32.String() }
func (f16) Name() string  { return F16.String() }
func (bf16) Name() string { return BF16.String() }

func (f64) Block() (weights, bytes int)  { return 1, 8 }
func (f32) Block() (weights, bytes int)  { return 1, 4 }
func (f16) Block() (weights, bytes int)  { return 1, 2 }
func (bf16) Block() (weights, bytes int) { return 1, 2 }

// Decode rounds to float32 as WeightWatcher does when it loads float64 weights.
func (f64) Decode(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
	}
}

func (f64) DecodeWide(dst []float64, src []byte) {
	for i := range dst {
		dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
	}
}

func (f32) Decode(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func (f16) Decode(dst []float32, src []byte)  { kernel.DecodeF16(dst, src) }
func (bf16) Decode(dst []float32, src []byte) { kernel.DecodeBF16(dst, src) }

// Encode writes the elements of src to dst as little-endian elements of type d,
// rounded to nearest even. It panics if d has no [Encoding] or dst is too short. It
// does not allocate.
func (d DType) Encode(dst []byte, src []float32) {
	switch d {
	case F64:
		for i, v := range src {
			binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(float64(v)))
		}
	case F32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case F16:
		var codes [256]uint16
		for at := 0; at < len(src); at += len(codes) {
			part := src[at:min(at+len(codes), len(src))]
			kernel.CodesF16(codes[:len(part)], part)
			for i, c := range codes[:len(part)] {
				binary.LittleEndian.PutUint16(dst[2*(at+i):], c)
			}
		}
	case BF16:
		for i, v := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], bf16Bits(v))
		}
	default:
		panic("checkpoint: Encode as a type that holds no weights")
	}
}

// Round rounds the elements of x, which must not be NaN, to the numbers that type d
// can hold, to nearest even. For F32 and F64 they stay as they are.
func (d DType) Round(x []float32) {
	switch d {
	case F16:
		kernel.RoundF16(x)
	case BF16:
		kernel.RoundBF16(x)
	}
}

// bf16Bits rounds v to bfloat16, to nearest even. A NaN stays a (quiet) NaN.
func bf16Bits(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
