package safetensors

import (
	"errors"
	"fmt"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

func isIncomplete(err error) bool { return errors.Is(err, checkpoint.ErrIncomplete) }

// missing returns the error for shards that x names and that are not in the folder.
func (x *index) missing(shards []string) error {
	return &checkpoint.FileError{
		File: x.name,
		Err:  checkpoint.Incompletef("weight_map names %s, which is not in the folder: the download is not finished", checkpoint.Enumerate(shards, 0)),
	}
}

// stale returns what a note says of x if shards that it names are not in the folder and
// others are opened.
func (x *index) stale(missing []string) string {
	return fmt.Sprintf("%s names %d of %d files that are not in the folder, such as %s", checkpoint.Printable(x.name), len(missing), len(x.shards), missing[0])
}

// lacking returns the number of tensors that x lists and c has not.
func (x *index) lacking(c *Checkpoint) int {
	n := len(x.shardOf)
	for i := range c.tensors {
		if _, ok := x.shardOf[c.tensors[i].Name]; ok {
			n--
		}
	}
	return n
}

// A place is a tensor of a shard.
type place struct {
	shard *shard
	i     int
}

// settle decides which of the tensors of all shards count. Without an index all do, and no
// name may be in two shards. An index decides which names count and, of a name that is in
// several shards, in which; a tensor that is in one shard only counts wherever it is.
// Everything that is left out or is not where the index says is noted.
func (c *Checkpoint) settle() error {
	if c.index == nil {
		return c.checkTwice()
	}
	x := c.index
	found := make(map[string]bool, len(x.shardOf))
	elsewhere := make(map[string][]place)
	var unlisted, stale, moved []place
	for _, s := range c.shards {
		for i := range s.tensors {
			name := s.tensors[i].Name
			switch want, ok := x.shardOf[name]; {
			case !ok:
				s.leave(i)
				unlisted = append(unlisted, place{s, i})
			case want == s.name:
				found[name] = true
			default:
				elsewhere[name] = append(elsewhere[name], place{s, i})
			}
		}
	}
	var missing []string
	for name := range x.shardOf {
		at := elsewhere[name]
		switch {
		case found[name]:
			for _, p := range at {
				p.shard.leave(p.i)
			}
			stale = append(stale, at...)
		case len(at) == 1:
			moved = append(moved, at[0])
		default:
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		first := slices.Min(missing)
		if at := elsewhere[first]; len(at) > 0 {
			return tensorError(x.name, first, "is not in %s, where weight_map places it, but in both %s and %s", x.shardOf[first], at[0].shard.name, at[1].shard.name)
		}
		return tensorError(x.name, first, "is not in %s, where weight_map places it (nor are %d others, and %d are there that it does not list); if the index is of another model, move it away", x.shardOf[first], len(missing)-1, len(unlisted))
	}
	c.notePlaces("tensors that %s does not list are left out", unlisted)
	c.notePlaces("tensors are also in other files than %s says, and these copies are left out", stale)
	c.notePlaces("tensors are not in the files that %s names for them and are read from where they are", moved)
	return nil
}

// maxPlaces is the largest number of tensors that a note lists.
const maxPlaces = 10

// notePlaces adds a note on the tensors at places, of which there may be none, with the
// first of them. what has a verb for the name of the index.
func (c *Checkpoint) notePlaces(what string, places []place) {
	if len(places) == 0 {
		return
	}
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = fmt.Sprintf("%s in %s", checkpoint.Quote(p.shard.tensors[p.i].Name), checkpoint.Printable(p.shard.name))
	}
	slices.SortFunc(names, func(a, b string) int {
		if checkpoint.NaturalLess(a, b) {
			return -1
		}
		return 1
	})
	more := max(0, len(names)-maxPlaces)
	c.note("%d "+what+": %s", len(places), checkpoint.Printable(c.index.name), checkpoint.Enumerate(names[:len(names)-more], more))
}

// checkTwice returns an error if a tensor is in two shards: of class ErrCorrupt if both are
// of a numbered set, and otherwise of class ErrUnsupported, because they are two models.
func (c *Checkpoint) checkTwice() error {
	in := make(map[string]string, c.count)
	for _, s := range c.shards {
		for i := range s.tensors {
			name := s.tensors[i].Name
			if other, ok := in[name]; ok {
				const text = "is also in %s; to use one of the files alone, name it"
				if checkpoint.Part(s.name) == "" || checkpoint.Part(other) == "" {
					return &checkpoint.TensorError{File: s.name, Tensor: name, Err: checkpoint.Unsupportedf(text, other)}
				}
				return tensorError(s.name, name, text, other)
			}
			in[name] = s.name
		}
	}
	return nil
}
