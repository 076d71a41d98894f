package safetensors

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A choice is the files of a folder that make a checkpoint.
type choice struct {
	names []string
	index *index // that names them; nil if none does
	notes []string
	// rival is an index beside a single file: if it is not nil and lists tensors that
	// the file lacks, its files are chosen instead.
	rival *index
}

func (c *choice) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

func (d *folder) choiceOf(x *index) *choice { return &choice{names: x.shards, index: x} }

// A group is the files of a folder that stand for one model: "model.safetensors",
// "model.safetensors.index.json" and "model-00001-of-00002.safetensors".
type group struct {
	base    string // "model"
	variant string // "fp16" of "model.fp16.safetensors"; usually empty
	single  string // the file without a number
	index   string
	numbers []string // the numbered files
	broken  []string // links that lead to nothing
}

var (
	indexPattern   = regexp.MustCompile(`(?i)^(.*)\.safetensors(?:\.([a-z0-9_]+))?\.index(?:\.([a-z0-9_]+))?\.json$`)
	variantPattern = regexp.MustCompile(`^(.+)\.([a-z][a-z0-9_]*)$`)
)

// isIndexName reports whether name, a path or a base name, is that of an index:
// "model.safetensors.index.json", "model.safetensors.index.fp16.json".
func isIndexName(name string) bool { return indexPattern.MatchString(name) }

// hasFileSuffix reports whether name ends in ".safetensors", in letters of any case.
func hasFileSuffix(name string) bool {
	return len(name) >= len(fileSuffix) && strings.EqualFold(name[len(name)-len(fileSuffix):], fileSuffix)
}

// groups sorts the files of the folder into groups, in the order of the names.
func (d *folder) groups() []*group {
	type key struct{ base, variant string }
	var groups []*group
	known := make(map[key]*group)
	find := func(base, variant string) *group {
		if m := variantPattern.FindStringSubmatch(base); m != nil && variant == "" {
			base, variant = m[1], m[2]
		}
		g := known[key{base, variant}]
		if g == nil {
			g = &group{base: base, variant: variant}
			known[key{base, variant}] = g
			groups = append(groups, g)
		}
		return g
	}
	stem := func(name string) string { return name[:len(name)-len(fileSuffix)] }
	ofSet := func(s *checkpoint.NumberedSet) *group {
		return find(strings.TrimRight(s.Prefix, "-_."), strings.TrimPrefix(stem(s.Suffix), "."))
	}
	files, indexes := splitIndexes(d.present)
	sets, singles := checkpoint.Numbered(files)
	for _, name := range singles {
		find(stem(name), "").single = name
	}
	for _, s := range sets {
		g := ofSet(s)
		g.numbers = append(g.numbers, s.Names...)
	}
	for _, name := range indexes {
		m := indexPattern.FindStringSubmatch(name)
		if g := find(m[1], m[2]+m[3]); g.index == "" {
			g.index = name
		}
	}
	// Links that lead to nothing matter only to those who look for these files.
	files, _ = splitIndexes(d.broken)
	sets, singles = checkpoint.Numbered(files)
	for _, s := range sets {
		g := ofSet(s)
		g.broken = append(g.broken, s.Names...)
	}
	for _, name := range singles {
		g := find(stem(name), "")
		g.broken = append(g.broken, name)
	}
	return groups
}

// splitIndexes parts the names of indexes from those of other files.
func splitIndexes(names []string) (files, indexes []string) {
	for _, name := range names {
		if isIndexName(name) {
			indexes = append(indexes, name)
		} else {
			files = append(files, name)
		}
	}
	return files, indexes
}

// mainBases are the names under which transformers and diffusers look for a model, in the
// order in which they are chosen.
var mainBases = []string{"model", "diffusion_pytorch_model"}

// A kind of groups is chosen before the next.
const (
	mainKind         = iota // of mainBases
	otherKind               // of any other name
	consolidatedKind        // the copy of its models that Mistral publishes beside them
	adapterKind             // changes to a model
	kinds
)

func (g *group) kind() int {
	switch {
	case slices.Contains(mainBases, g.base):
		return mainKind
	case strings.HasPrefix(g.base, "consolidated"):
		return consolidatedKind
	case strings.HasPrefix(g.base, "adapter_"):
		return adapterKind
	}
	return otherKind
}

// choose returns the files that make the checkpoint: those of the first model for which
// all files are there. If none is whole, the error says what is missing of the first.
func (d *folder) choose() (*choice, error) {
	var of [kinds][]*group
	for _, g := range d.groups() {
		of[g.kind()] = append(of[g.kind()], g)
	}
	var first error
	for _, base := range mainBases {
		groups := slices.DeleteFunc(slices.Clone(of[mainKind]), func(g *group) bool { return g.base != base })
		c, err := d.chooseVariant(groups)
		if c != nil || err != nil && !isIncomplete(err) {
			return c, err
		}
		if first == nil {
			first = err
		}
	}
	for _, kind := range []int{otherKind, consolidatedKind, adapterKind} {
		// Beside a model that is not whole, only one with an index is a model for sure.
		c, err := d.chooseOther(of[kind], first != nil && kind == otherKind)
		if c != nil {
			if first != nil {
				c.note("%v; %s is opened instead", first, checkpoint.Enumerate(c.names, 0))
			}
			return c, c.check()
		}
		if first == nil || errors.Is(err, checkpoint.ErrUnsupported) {
			first = err
		}
	}
	if first == nil {
		first = checkpoint.NotFoundf("no %s file in the folder", fileSuffix)
	}
	return nil, first
}

// chooseVariant returns the choice of groups, the variants of one model: of the plain one,
// or of the only one. It returns nil if there are no groups. Files without an index that are
// no whole set may be those that the index of a variant names.
func (d *folder) chooseVariant(groups []*group) (*choice, error) {
	for _, g := range groups {
		if g.variant != "" {
			continue
		}
		c, err := d.chooseGroup(g)
		if err != nil && isIncomplete(err) && g.index == "" {
			for _, v := range groups {
				if c, verr := d.chooseGroup(v); v.index != "" && verr == nil && c.index != nil {
					return c, nil
				}
			}
		}
		return c, err
	}
	switch len(groups) {
	case 0:
		return nil, nil
	case 1:
		return d.chooseGroup(groups[0])
	}
	return nil, checkpoint.Unsupportedf("holds %d variants of a model, among them %s and %s: name the file or the index to open", len(groups), groups[0].title(), groups[1].title())
}

// chooseOther returns the choice of groups whose names say nothing: of the one with an
// index or, unless that is required, all their files together, without variants of
// files that are there. It returns nil if there is nothing to choose.
func (d *folder) chooseOther(groups []*group, indexed bool) (*choice, error) {
	plain := make(map[string]bool)
	for _, g := range groups {
		plain[g.base] = plain[g.base] || g.variant == ""
	}
	groups = slices.DeleteFunc(groups, func(g *group) bool { return g.variant != "" && plain[g.base] })
	var indexes []*group
	for _, g := range groups {
		if g.index != "" {
			indexes = append(indexes, g)
		}
	}
	switch {
	case len(indexes) == 1:
		return d.chooseGroup(indexes[0])
	case len(indexes) > 1:
		return nil, checkpoint.Unsupportedf("%d index files, among them %s and %s: name the one to open", len(indexes), checkpoint.Printable(indexes[0].index), checkpoint.Printable(indexes[1].index))
	case len(groups) == 0 || indexed:
		return nil, nil
	case len(groups) == 1:
		return d.chooseGroup(groups[0])
	}
	all := &choice{}
	for _, g := range groups {
		c, err := d.chooseGroup(g)
		if err != nil {
			return nil, err
		}
		all.names = append(all.names, c.names...)
	}
	return all, nil
}

// chooseGroup returns the files of one model: the single file, as in transformers, or
// those that its index names, or a numbered set that is whole.
func (d *folder) chooseGroup(g *group) (*choice, error) {
	var x *index
	var err error
	var missing []string
	if g.index != "" {
		if x, err = d.readIndex(g.index); err == nil {
			missing = d.absent(x.shards)
		}
	}
	c := &choice{names: []string{g.single}}
	switch {
	case g.single != "" && err != nil:
		c.note("%v; %s is opened without it", err, checkpoint.Printable(g.single))
	case g.single != "" && len(missing) > 0:
		c.note("%s; %s is opened, which needs no index", x.stale(missing), checkpoint.Printable(g.single))
	case g.single != "":
		c.rival = x
	case err != nil:
		return nil, err
	case x != nil && len(missing) == 0:
		return d.choiceOf(x), nil
	default:
		return g.chooseSet(x, missing)
	}
	return c, c.check()
}

// chooseSet returns the only numbered set of g that is whole. x is the index of g, of
// whose files those in missing are not there; it is nil if g has none.
func (g *group) chooseSet(x *index, missing []string) (*choice, error) {
	sets, _ := checkpoint.Numbered(g.numbers)
	whole := slices.DeleteFunc(slices.Clone(sets), func(s *checkpoint.NumberedSet) bool { return !s.Complete() })
	switch {
	case len(whole) > 1:
		return nil, checkpoint.Unsupportedf("holds %d complete sets of files, %s and %s: move one of them away, or name an index", len(whole), whole[0], whole[1])
	case len(whole) == 1:
		c := &choice{names: whole[0].Names}
		if x != nil {
			c.note("%s; %s is opened, which is complete", x.stale(missing), whole[0])
		}
		return c, c.check()
	case x != nil:
		return nil, x.missing(missing)
	case len(sets) > 0:
		s := sets[0]
		names, more := s.Missing()
		missing := checkpoint.Enumerate(names, more)
		if zero := s.FromZero(); zero != "" {
			missing += fmt.Sprintf(" (or, if they are counted from 0, %s in the place of the last)", checkpoint.Printable(zero))
		}
		return nil, checkpoint.Incompletef("holds %d of the %d files of %s, missing: %s: the download is not finished; one file alone can be opened by its name", len(s.Names), s.Total, s, missing)
	}
	return nil, checkpoint.Incompletef("symbolic link to a file that is not there: %s: the download is not finished", checkpoint.Enumerate(g.broken, 0))
}

// title returns the name of a file that stands for g in a message.
func (g *group) title() string {
	for _, name := range []string{g.single, g.index} {
		if name != "" {
			return checkpoint.Printable(name)
		}
	}
	return checkpoint.Printable(append(g.numbers, g.broken...)[0])
}

// check returns an error if a name that no index has checked is not fit for one.
func (c *choice) check() error {
	for _, name := range c.names {
		if err := checkPlainName(name); err != nil {
			return checkpoint.Unsupportedf("file name %w", err)
		}
	}
	return nil
}

// others returns the names of the files in the folder that could belong to a checkpoint
// and are not of the choice.
func (d *folder) others(c *choice) []string {
	chosen := make(map[string]bool, len(c.names))
	for _, name := range c.names {
		chosen[name] = true
	}
	return slices.DeleteFunc(slices.Clone(d.present), func(name string) bool {
		return chosen[name] || c.index != nil && name == c.index.name
	})
}
