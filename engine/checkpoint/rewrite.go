package checkpoint

import (
	"context"
	"errors"
	"fmt"
)

// ErrOutput marks errors caused by an output that cannot be written where it was asked
// for: onto its own source, or as a file where it takes a folder. Test with errors.Is.
var ErrOutput = errors.New("output refused")

// Outputf formats an error of class [ErrOutput], like fmt.Errorf.
func Outputf(format string, args ...any) error {
	return &classed{ErrOutput, fmt.Errorf(format, args...)}
}

// A Rewriter is a [Source] that can write itself again with other tensors.
type Rewriter interface {
	Source
	// Rewrite writes the checkpoint to out with the changes that opts asks for and
	// returns the paths of the files written. What out may be is up to the format.
	// If it fails, or ctx is done, what existed is left as it was. errors.Is finds
	// fs.ErrExist for an output that exists, and ErrOutput for one that cannot be.
	Rewrite(ctx context.Context, out string, opts RewriteOptions) ([]string, error)
}

// RewriteOptions say what a [Rewriter] changes. The zero value copies a checkpoint byte
// for byte.
type RewriteOptions struct {
	// DType returns the element type in which t is to be written; nil keeps all
	// types. It is called once for every tensor, before anything is written. The
	// type of a tensor of unknown type cannot be changed.
	DType func(t *Tensor) DType

	// Tensor returns the bytes to write for t, little-endian and row-major in the
	// type that DType chose; nil keeps all tensors. src holds the stored bytes.
	// Tensor may change src and return it but must not keep it; a nil result means
	// src. Tensor is called once for every tensor, never concurrently, in the order
	// of the data.
	Tensor func(t *Tensor, src []byte) (out []byte, err error)

	// Replace returns what is written in the place of t: t itself, a tensor of another name and
	// shape, or nil to leave t out; nil replaces nothing. It is called once for every tensor, before
	// anything is written. The type of a tensor that is replaced, which need not be known, is what
	// DType says of t, and its bytes are what Tensor returns for t.
	Replace func(t *Tensor) *Tensor

	// Metadata returns entries to add to the metadata of a file, where they take the
	// place of those of the same names; nil adds none.
	Metadata func(f *File) map[string]string

	// SourceHash is the key of an entry that is added to the metadata of every file: the
	// SHA-256 of all bytes of the file of the source, in hexadecimal digits; empty for none.
	SourceHash string

	// Companions also copies the files of the source's folder, and of its subfolders
	// without weights, for which [IsCompanion] holds, if both the source and the output are
	// folders.
	Companions bool

	// Edit has, by their names below the source's folder, with slashes, the files among them
	// whose content is changed, and how; those with a nil function are not copied.
	Edit map[string]func(content []byte) ([]byte, error)

	// Note is called with sentences on what was not copied; it may be nil.
	Note func(text string)

	// Overwrite allows existing files to be replaced. Files of the source
	// are never replaced.
	Overwrite bool
}
