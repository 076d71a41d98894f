package quantized

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A finder looks for the quantized layers of a checkpoint.
type finder struct {
	src      checkpoint.Source
	config   config
	tensors  []checkpoint.Tensor
	byName   map[string]*checkpoint.Tensor
	taken    map[string]bool // stored tensors that belong to a layer
	layers   []*layer
	refusals map[string]string // reasons by the names of tensors that are not read
	remarks  []string
}

func newFinder(src checkpoint.Source) *finder {
	f := &finder{
		src: src, config: readConfig(src.Path()), tensors: src.Tensors(),
		byName: map[string]*checkpoint.Tensor{}, taken: map[string]bool{}, refusals: map[string]string{},
	}
	for i := range f.tensors {
		f.byName[f.tensors[i].Name] = &f.tensors[i]
	}
	return f
}

// find finds the layers, and the tensors that are refused with a method as a whole.
func (f *finder) find() {
	families, err := f.families()
	if err != nil {
		f.refuse(err)
		return
	}
	for i := range families {
		f.collect(&families[i])
	}
	named := map[string]*layer{}
	for _, l := range f.layers {
		if l.err = l.check(f.read); l.err == nil {
			l.err = f.free(l)
		}
		if other := named[l.name]; other != nil && l.err == nil {
			l.err = checkpoint.Corruptf("the layer is also stored as %s", checkpoint.Quote(other.codes.Name))
		}
		named[l.name] = l
	}
	if f.config.file == "" {
		f.unexplained()
	}
}

// families returns the ways in which layers of the checkpoint may be stored. The error says why none of them are read.
func (f *finder) families() ([]family, error) {
	c := &f.config
	switch {
	case c.err != nil:
		return nil, c.err
	case c.file == "":
		return f.selfExplaining(), nil
	}
	method, ok := methods[c.method]
	if !ok {
		return nil, unread(c.method)
	}
	return method(c)
}

// read returns the bytes of a stored tensor.
func (f *finder) read(t *checkpoint.Tensor) ([]byte, error) {
	data := make([]byte, t.Size)
	return data, f.src.ReadTensor(data, t)
}

// free reports an error if another tensor is called as the weights of a layer are to be.
func (f *finder) free(l *layer) error {
	if other := f.byName[l.name]; other != nil && !slices.Contains(l.parts, other) {
		return checkpoint.Corruptf("tensor %s is there beside its codes", checkpoint.Quote(l.name))
	}
	return nil
}

// collect adds the layers of a family.
func (f *finder) collect(fam *family) {
	separator := cmp.Or(fam.separator, ".")
	for i := range f.tensors {
		t := &f.tensors[i]
		stem, ok := strings.CutSuffix(t.Name, separator+fam.codes)
		if !ok || stem == "" || f.taken[t.Name] {
			continue
		}
		l := &layer{family: fam, stem: stem, name: stem + ".weight", codes: t, parts: []*checkpoint.Tensor{t}, names: []string{fam.codes}}
		if fam.bare {
			l.name = stem
		}
		for _, part := range slices.Concat(fam.parts, fam.forbids) {
			if p := f.byName[stem+separator+part]; p != nil {
				l.parts, l.names = append(l.parts, p), append(l.names, part)
			}
		}
		if fam.is != nil && !fam.is(l) {
			continue
		}
		for _, name := range fam.beside {
			if p := f.byName[stem+separator+name]; p != nil {
				l.beside = append(l.beside, p)
			}
		}
		l.near = map[string]*checkpoint.Tensor{}
		for _, name := range fam.near {
			l.near[name] = f.byName[stem+separator+name]
		}
		for _, p := range l.parts {
			f.taken[p.Name] = true
		}
		f.layers = append(f.layers, l)
	}
}

// codeTypes are the element types of codes.
var codeTypes = []checkpoint.DType{
	checkpoint.U8, checkpoint.I8, checkpoint.U16, checkpoint.I16, checkpoint.U32, checkpoint.I32,
	checkpoint.F8E4M3, checkpoint.F8E5M2, checkpoint.F8E4M3FNUZ, checkpoint.F8E5M2FNUZ, checkpoint.F6E2M3, checkpoint.F6E3M2, checkpoint.F4,
}

// refuse refuses all that may be codes, for one reason.
func (f *finder) refuse(err error) {
	for i := range f.tensors {
		t := &f.tensors[i]
		compressed := strings.HasSuffix(t.Name, ".compressed") // sparse weights, in any type
		if compressed || len(t.Shape) >= 2 && t.Elements() > 0 && slices.Contains(codeTypes, t.DType) {
			f.refusals[t.Name] = "quantized already: " + sentence(err)
		}
	}
}

// notes says how the layers that are read are quantized.
func (f *finder) notes() []string {
	counts := map[string]int{}
	var forms []string
	read, refused := 0, 0
	doubts := map[string][]*layer{}
	for _, l := range f.layers {
		if l.err != nil {
			refused++
			continue
		}
		read++
		if counts[l.form.long] == 0 {
			forms = append(forms, l.form.long)
		}
		counts[l.form.long]++
		for _, note := range l.notes {
			doubts[note] = append(doubts[note], l)
		}
	}
	if read == 0 {
		return nil
	}
	slices.SortStableFunc(forms, func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
	if len(forms) > 1 {
		for i, form := range forms {
			forms[i] = fmt.Sprintf("%s (%s)", form, layers(counts[form]))
		}
	}
	const most = 4
	list := strings.Join(forms[:min(len(forms), most)], "; ")
	if len(forms) > most {
		list += fmt.Sprintf("; and %d more ways", len(forms)-most)
	}
	text := fmt.Sprintf("%s quantized already, %s: read at the dequantized weights, which levels quantize again", layersAre(read), list)
	if refused > 0 {
		text += fmt.Sprintf("; %s not read", layersAre(refused))
	}
	notes := append([]string{text}, f.remarks...)
	return append(notes, doubtful(doubts)...)
}

// doubtful returns a sentence on each doubt, of the layers that have it.
func doubtful(doubts map[string][]*layer) []string {
	var texts []string
	for note, of := range doubts {
		first := checkpoint.Printable(of[0].name)
		if len(of) > 1 {
			first += fmt.Sprintf(" and %s more", layers(len(of)-1))
		}
		texts = append(texts, first+": "+note)
	}
	slices.SortFunc(texts, func(a, b string) int {
		if checkpoint.NaturalLess(a, b) {
			return -1
		}
		return 1
	})
	const most = 10
	if len(texts) > most {
		texts = append(texts[:most], fmt.Sprintf("%d more notes of this kind", len(texts)-most))
	}
	return texts
}

// layers is a number of layers in words.
func layers(n int) string {
	if n == 1 {
		return "1 layer"
	}
	return fmt.Sprintf("%d layers", n)
}

// layersAre is a number of layers with its verb.
func layersAre(n int) string {
	if n == 1 {
		return "1 layer is"
	}
	return layers(n) + " are"
}
