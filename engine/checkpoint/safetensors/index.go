package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

const fileSuffix = ".safetensors"

// byteOrderMark is what editors on Windows put before a text in UTF-8.
const byteOrderMark = "\ufeff"

// An index says which file holds which tensor.
type index struct {
	name    string            // name of the index file
	text    []byte            // its content, without a byte order mark
	shardOf map[string]string // file names by tensor name
	shards  []string          // file names, in the order in which they first appear

	// The place of the number metadata.total_size in the text, for a rewrite; empty
	// if there is none.
	totalSize span
}

// parseIndex parses text, the content of the index file called name. Every file
// name in the result satisfies checkPlainName. Members other than weight_map are
// informational in every reader and are checked for duplicates and depth only.
// Errors are of class checkpoint.ErrCorrupt and name the index file.
func parseIndex(name string, text []byte) (*index, error) {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	x := &index{name: name, text: text, shardOf: make(map[string]string)}
	w, err := newWalker(text)
	if err == nil {
		err = x.parse(w)
	}
	if err != nil {
		return nil, &checkpoint.FileError{File: name, Err: checkpoint.Corruptf("index %w", err)}
	}
	return x, nil
}

func (x *index) parse(w *walker) error {
	seen := make(map[string]bool)
	err := w.members(func(field string) error {
		if seen[field] {
			return fmt.Errorf("has duplicate field %s", checkpoint.Quote(field))
		}
		seen[field] = true
		var err error
		switch field {
		case "weight_map":
			err = x.parseWeightMap(w)
		case "metadata":
			err = x.parseMetadata(w)
		default:
			err = w.skip()
		}
		if err != nil {
			return fmt.Errorf("field %s %w", checkpoint.Quote(field), err)
		}
		return nil
	})
	if err == nil && !seen["weight_map"] {
		err = errors.New("has no field \"weight_map\"")
	}
	if err == nil && len(x.shards) == 0 {
		err = errors.New("field \"weight_map\" names no tensor")
	}
	return err
}

func (x *index) parseWeightMap(w *walker) error {
	known := make(map[string]bool)
	return w.members(func(tensor string) error {
		if len(tensor) > MaxNameBytes {
			return fmt.Errorf("tensor name %s: %d bytes > limit %d", checkpoint.Quote(tensor), len(tensor), MaxNameBytes)
		}
		if _, ok := x.shardOf[tensor]; ok {
			return fmt.Errorf("tensor %s: duplicate name", checkpoint.Quote(tensor))
		}
		if len(x.shardOf) == maxTensors {
			return fmt.Errorf("has more than %d tensors", maxTensors)
		}
		file, _, err := w.str()
		if err == nil {
			err = checkPlainName(file)
		}
		if err != nil {
			return fmt.Errorf("tensor %s: file name %w", checkpoint.Quote(tensor), err)
		}
		x.shardOf[tensor] = file
		if !known[file] {
			known[file] = true
			x.shards = append(x.shards, file)
		}
		return nil
	})
}

func (x *index) parseMetadata(w *walker) error {
	seen := make(map[string]bool)
	return w.members(func(key string) error {
		if seen[key] {
			return fmt.Errorf("has duplicate key %s", checkpoint.Quote(key))
		}
		seen[key] = true
		if key != "total_size" {
			return w.skip()
		}
		tok, at, err := w.token()
		if err != nil {
			return err
		}
		switch tok.(type) {
		case json.Number:
			x.totalSize = at
		case json.Delim:
			return fmt.Errorf("key %q is %s, want a number", key, describe(tok))
		}
		return nil
	})
}

// checkPlainName returns an error unless name is, on every operating system, the name
// of a safetensors file in the same folder.
func checkPlainName(name string) error {
	q := checkpoint.Quote(name)
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > 255:
		return fmt.Errorf("%s: %d bytes > limit 255", q, len(name))
	case strings.ContainsAny(name, `/\:`):
		return fmt.Errorf("%s contains a path separator, want a plain name", q)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s holds a character that cannot be printed", q)
	case name[0] == '.' || !filepath.IsLocal(name):
		return fmt.Errorf("%s starts with a dot or is reserved, want a plain name", q)
	case !hasFileSuffix(name):
		return fmt.Errorf("%s does not end in %s", q, fileSuffix)
	}
	return nil
}
