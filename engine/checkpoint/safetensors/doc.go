// Package safetensors reads and rewrites checkpoints in the safetensors format: a
// single file, or a folder of shards with or without an index.
//
// # Format
//
// A file is an unsigned 64-bit little-endian length N, N bytes of JSON (the
// header), and the data. The header maps tensor names to an element type, a
// shape and a half-open byte range of the data; its member "__metadata__" maps
// strings to strings. The index of a sharded checkpoint,
// "model.safetensors.index.json", maps tensor names to file names.
//
// The rules are those of the reference implementation (huggingface/safetensors,
// safetensors/src/tensor.rs): N is at most 100,000,000 and the header lies
// inside the file; the byte ranges, sorted, cover the data exactly, without
// holes, overlaps or trailing bytes; every range has the size that follows from shape
// and type, computed without overflow; a tensor of a type narrower than a byte
// ends on a byte boundary. Scalars and dimensions of 0 are legal. Tensors of no bytes
// may share an offset.
//
// This package is stricter than the reference in these rules: the header starts with
// "{" and has no duplicate names, even if they are written with different escapes;
// unknown fields, escapes of half a surrogate pair and a null "__metadata__" are
// refused; rank, name length and number of tensors are limited (see [MaxRank],
// [MaxNameBytes], [MaxTensors]). It is more lenient in one: a tensor of an unknown
// element type is accepted, with checkpoint.InvalidDType, once its byte range has been
// checked.
//
// # Folders
//
// The files of a folder are chosen before they are checked, and what is wrong with others
// does not matter. In the order of transformers, the first of these models that is whole
// is opened: "model", then "diffusion_pytorch_model"; then files of other names, all of
// them together unless one of them has an index; then "consolidated", the copy that
// Mistral publishes beside its models; then "adapter_". Of a model it is the single file
// ("model.safetensors"), or the files that its index names, or the one numbered set that
// is complete. A single file that is broken or lacks what a complete index lists is not
// opened, but the files of the index are. Variants ("model.fp16.safetensors") are opened if
// nothing else is there. Numbers have up to six digits and begin at 0 or 1.
//
// An index decides which tensors count: others are left out, and so are copies in other
// files than the one that it names. A tensor that is in one file only counts wherever it
// is. Whatever is left out, moved or not opened is in [Checkpoint.Notes].
//
// # Safety
//
// Files are untrusted. Every length is compared with the size of the file
// before anything of that length is allocated. Only regular files are opened,
// and opening never blocks. The names in an index are plain names of files in its
// folder. Symbolic links are followed wherever they lead, because users keep files on
// other disks and the cache of Hugging Face consists of links. Strings from files appear
// quoted in errors.
//
// Tensors are read with ReadAt and never mapped into memory: if a file shrinks while
// it is read, the result is an error, not a signal. At most 64 files that nobody reads are
// kept open; a file that is opened again must be the one that was opened first.
//
// # Writing
//
// [Checkpoint.Rewrite] copies a checkpoint and lets the caller replace the data of tensors
// and their element types, add metadata, and take configuration and tokenizer along. It holds one tensor in memory at a time and leaves either the
// complete output or none.
package safetensors
